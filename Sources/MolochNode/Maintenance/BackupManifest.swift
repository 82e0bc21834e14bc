public import Digests
import JSON

/// What a backup is and which files belong to it; written last, so that a directory without one is no backup.
public struct BackupManifest: Sendable {
  public struct File: Sendable {
    /// Relative to the backup.
    public var path: String
    public var bytes: UInt64
    public var digest: Digest
  }

  public static let name = "manifest.json"
  static let schema = "moloch-backup/1"
  static let bytesMax = 64 << 20

  public var chainID: String
  public var genesisHash: Digest
  public var height: UInt64
  public var headHash: Digest
  public var treeSize: UInt64
  public var treeRoot: Digest
  /// Format of the data directory.
  public var format: String
  /// Unix time, seconds.
  public var created: UInt64
  public var files: [File]

  var encoded: [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("schema"); json.string(Self.schema)
    json.key("chain_id"); json.string(chainID)
    json.key("genesis_hash"); json.string(genesisHash.hex)
    json.key("height"); json.number(height)
    json.key("head_hash"); json.string(headHash.hex)
    json.key("tree_size"); json.number(treeSize)
    json.key("tree_root"); json.string(treeRoot.hex)
    json.key("format"); json.string(format)
    json.key("created_seconds"); json.number(created)
    json.key("files")
    json.beginArray()
    for file in files {
      json.beginObject()
      json.key("path"); json.string(file.path)
      json.key("bytes"); json.number(file.bytes)
      json.key("sha256"); json.string(file.digest.hex)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    return json.bytes + [0x0A]
  }

  /// Reads the manifest of a backup.
  /// - Throws: 66 when there is none, 65 when it is no manifest.
  public init(backup directory: String) throws(NodeFailure) {
    let path = directory + "/" + Self.name
    let text = try HomeFile.read(path)
    guard let json = try? StrictJSON(parsing: text, byteCountMax: Self.bytesMax), json["schema"]?.string == Self.schema, let manifest = Self(json) else {
      throw NodeFailure(65, "\(path) is no manifest of a backup")
    }
    self = manifest
  }

  private init?(_ json: StrictJSON) {
    func digest(_ name: String) -> Digest? { json[name]?.string.flatMap { Digest(hex: $0) } }
    guard let chainID = json["chain_id"]?.string, let genesisHash = digest("genesis_hash"), let height = json["height"]?.unsigned, let headHash = digest("head_hash"),
      let treeSize = json["tree_size"]?.unsigned, let treeRoot = digest("tree_root"), let format = json["format"]?.string,
      let created = json["created_seconds"]?.unsigned, let files = json["files"]?.array
    else { return nil }
    self.init(
      chainID: chainID, genesisHash: genesisHash, height: height, headHash: headHash, treeSize: treeSize, treeRoot: treeRoot, format: format, created: created, files: [])
    for file in files {
      // A path that leaves the directory belongs to no backup.
      guard let path = file["path"]?.string, !path.hasPrefix("/"), !path.split(separator: "/").contains(".."), let bytes = file["bytes"]?.unsigned,
        let digest = file["sha256"]?.string.flatMap({ Digest(hex: $0) })
      else { return nil }
      self.files.append(File(path: path, bytes: bytes, digest: digest))
    }
  }

  init(
    chainID: String, genesisHash: Digest, height: UInt64, headHash: Digest, treeSize: UInt64, treeRoot: Digest, format: String, created: UInt64, files: [File]
  ) {
    (self.chainID, self.genesisHash, self.height, self.headHash) = (chainID, genesisHash, height, headHash)
    (self.treeSize, self.treeRoot, self.format, self.created, self.files) = (treeSize, treeRoot, format, created, files)
  }
}
