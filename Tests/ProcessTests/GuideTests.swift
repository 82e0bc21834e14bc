import Foundation
import Testing

/// Every line of the operations guide that an operator types, reads or configures, with the tests that run it. `docs/guide-lines.md` is made from this table.
@Suite struct GuideTests {
  struct Line {
    var text: String
    /// Names of test functions; none when nothing runs the line.
    var tests: [String]
    /// Why nothing runs it, or what the tests leave out.
    var remark = ""
  }

  static let lines: [(section: String, lines: [Line])] = [
    (
      "Monitoring",
      [
        Line(text: "moloch_chain_height, moloch_peer_count, moloch_mempool_size, moloch_block_time_ms, moloch_sync_lag, moloch_api_latency_ms, moloch_storage_bytes", tests: ["theCatalogueHoldsTheGuidesMetricsWithoutLabels", "promtoolHasExactlyTheThreeRemarksOfTheGuidesNames"]),
        Line(text: "prometheus.yml: job_name 'moloch', targets ['localhost:9090'], scrape_interval 15s", tests: ["theGuidesBlocksAreByteForByte", "promtoolAcceptsTheRules", "prometheusScrapesANetworkAndEveryPanelHasData"]),
        Line(text: "docs/monitoring/grafana-dashboard.json and its twelve panels", tests: ["theDashboardHasTheGuidesPanels", "prometheusScrapesANetworkAndEveryPanelHasData"], remark: "queries run in Prometheus; Grafana itself is not started"),
        Line(text: "journalctl -u moloch | grep -E \"ERROR|WARN\"", tests: ["linesHaveTheFormsOfTheManual", "lowerRecordsNeverContainTheWordsOfTrouble"], remark: "the forms of records; no journal runs in the tests"),
        Line(text: "curl http://localhost:8080/v1/health", tests: ["aSecondProcessOnTheSameHomeIsRefused", "listenersOfTheSupervisorAreServed"]),
        Line(text: "curl http://localhost:8080/v1/status | jq", tests: ["fourValidatorsFinaliseTheSameRecords", "jqReadsTheGuidesAnswers"]),
      ]
    ),
    (
      "Alerting",
      [
        Line(text: "group moloch, six rules", tests: ["theGuidesBlocksAreByteForByte", "promtoolAcceptsTheRules"]),
        Line(text: "MolochNodeDown, MolochNotProducingBlocks, MolochLowPeerCount, MolochHighMempool, MolochSyncLag, MolochDiskSpaceLow", tests: ["everyAlertFiresAndDoesNotFireAsItsUnitTestSays", "theUnitTestsSeeEachRule", "prometheusScrapesANetworkAndEveryPanelHasData"], remark: "unit tests of promtool; no fault of a running network is made to raise them"),
      ]
    ),
    (
      "Maintenance tasks",
      [
        Line(text: "Verify backups completed successfully", tests: ["aBackupOfARunningNodeVerifiesAndBringsAnotherHomeToItsHead"]),
        Line(text: "du -sh /opt/moloch/data/*", tests: ["duListsTheDirectoriesOfTheGuide"]),
        Line(text: "curl http://localhost:8080/v1/peers | jq", tests: ["theListHasTheMembersOfTheInterface", "jqReadsTheGuidesAnswers"]),
        Line(text: "ls -la /opt/moloch/logs/", tests: ["theFileIsRotatedCompressedAndBounded", "sighupTakesANewFileAndReopensTheLog"]),
        Line(text: "Restore to staging environment, verify data integrity", tests: ["aBackupOfARunningNodeVerifiesAndBringsAnotherHomeToItsHead"]),
      ]
    ),
    (
      "Common operations",
      [
        Line(text: "moloch peers add, list, remove", tests: ["theBookOfAStoppedNodeIsEdited", "addedPeersOutliveTheProcessAndRemovedOnesDoNot"]),
        Line(text: "moloch validator status", tests: ["theStatusIsThatOfTheGuide"]),
        Line(text: "moloch storage stats", tests: ["storageStatsPrintsTheGuidesLines"]),
        Line(text: "moloch maintenance compact", tests: ["aCompactionGivesSpaceBackWhileBlocksGoOn"]),
        Line(
          text: "moloch maintenance prune --before-height 1000000",
          tests: ["pruneNeedsAPolicyAndRefusesYoungBlocks", "whatIsPrunedIsGoneAndSaysSo", "entriesAndProofsSurviveAndTheSpaceComesBack"],
          remark: "refusals with real binaries; what a prune does in tests of store and engine"),
        Line(text: "rm -rf data/chain/* data/mmr/* data/index/*, then start", tests: ["theGuidesResyncIsRunAsPrinted", "aWipedValidatorRebuildsFromItsPeers"]),
        Line(text: "watch ... jq \"{height: .head_height, syncing: .syncing}\"", tests: ["theGuidesResyncIsRunAsPrinted", "jqReadsTheGuidesAnswers"]),
        Line(text: "moloch keygen --output DIR", tests: ["keygenNeverOverwrites"]),
      ]
    ),
    (
      "Incident response",
      [
        Line(text: "curl http://localhost:8080/v1/status | jq .peer_count", tests: ["jqReadsTheGuidesAnswers", "aNodeWithoutPeersComplainsAfterItsGraceAndThenOnceAMinute"]),
        Line(text: "Verify boot nodes are reachable; check clock skew", tests: ["whatIsWrongIsFound", "everySubjectIsLookedAtAndEveryComplaintHasAFix"]),
        Line(text: "If one validator stuck: restart that validator", tests: ["killedValidatorsComeBackAndNothingFinalIsLost", "aFrozenValidatorCatchesUp"]),
        Line(text: "moloch maintenance verify", tests: ["nothingReportedFinalIsLostByKillNine", "eachLevelSeesWhatItIsForAndSaysWhatItChecked", "aDamagedNodeBelowARightRootIsNamedAndRebuilt", "aBackupOfARunningNodeVerifiesAndBringsAnotherHomeToItsHead"], remark: "with the node stopped only"),
        Line(text: "moloch maintenance repair", tests: ["aDamagedNodeBelowARightRootIsNamedAndRebuilt", "aDamagedIndexIsBuiltAnew", "damageThatPeersMustCureIsSaid"], remark: "tree files and index; with the node stopped only"),
        Line(text: "Restore from backup", tests: ["aStoppedNodeIsBackedUpUnderItsLock"]),
        Line(text: "force resync from checkpoint", tests: ["aFreshNodeBeginsFromACheckpointAndServesWhatItHas", "theCommandAsksAndNamesWhatIsWrong"], remark: "moloch sync --from-checkpoint HEIGHT:HASH"),
      ]
    ),
    (
      "Upgrades",
      [
        Line(text: "sudo systemctl restart moloch", tests: ["systemdTakesTheUnitAndFindsItTight", "theSupervisorHearsOfStartLifeReloadAndStop", "sigtermDrainsAndKeepsPendingEvents"], remark: "signals and notices; no systemd runs in the tests"),
        Line(text: "Wait for sync before proceeding to next node", tests: ["syncIsWatchedUntilTheNodeHasCaughtUp"], remark: "moloch sync --watch"),
        Line(text: "Start API nodes", tests: ["anAPINodeServesAndForwardsWhileAValidatorItTalksToDies"], remark: "moloch run --api-only"),
        Line(text: "moloch migrate", tests: ["theDataOfTheReleaseBeforeIsBroughtForwardAndBack", "dataOfALaterReleaseIsRefused", "anInterruptedMigrationGoesOn"], remark: "of a home that the release before has written"),
        Line(text: "Rolling upgrade (zero downtime)", tests: ["haproxyAndNginxTakeTheirFiles"], remark: "the configuration only; not under load"),
      ]
    ),
    (
      "Performance tuning",
      [
        Line(text: "[storage] cache_size_mb, write_buffer_size_mb, max_open_files, compression", tests: ["theKeysOfTheGuideAreAccepted", "theFileConfiguresTheNode"]),
        Line(text: "[network] max_peers, max_concurrent_requests, message_buffer_size", tests: ["theKeysOfTheGuideAreAccepted"]),
        Line(text: "/etc/sysctl.conf", tests: ["aPrintedFileIsTheOneInTheDocuments", "everySubjectIsLookedAtAndEveryComplaintHasAFix"]),
      ]
    ),
    (
      "Runbooks",
      [
        Line(text: "curl http://localhost:8080/v1/status | jq .mempool_size", tests: ["jqReadsTheGuidesAnswers"]),
        Line(text: "Graceful stop; wait for clean shutdown (check logs)", tests: ["sigtermDrainsAndKeepsPendingEvents"]),
        Line(text: "Monitor for 5 minutes", tests: ["aRunningNodeIsAskedAndWatched"]),
        Line(text: "cp -r data data.incident-$(date +%s)", tests: ["aCopiedDataDirectoryIsComplete"]),
      ]
    ),
  ]

  static var page: String {
    var page = """
      # Lines of the operations guide and their tests

      Made from the table in `Tests/ProcessTests/GuideTests.swift`; a test compares, and another one looks for every test that is named here.

      """
    for (section, lines) in Self.lines {
      page += "\n## \(section)\n\n| line | tests | remark |\n|---|---|---|\n"
      for line in lines {
        let text = line.text.replacingOccurrences(of: "|", with: "\\|")
        page += "| `\(text)` | \(line.tests.isEmpty ? "none" : line.tests.map { "`\($0)`" }.joined(separator: ", ")) | \(line.remark) |\n"
      }
    }
    return page
  }

  @Test func thePageIsMadeFromTheTable() throws {
    let stored = (try? String(contentsOf: ArtifactTests.docs.appendingPathComponent("guide-lines.md"), encoding: .utf8)) ?? ""
    guard stored != Self.page else { return #expect(stored.count > 1000) }
    let fresh = FileManager.default.temporaryDirectory.appendingPathComponent("guide-lines.md")
    try Self.page.write(to: fresh, atomically: true, encoding: .utf8)
    Issue.record("docs/guide-lines.md differs from the table; the page of the table is \(fresh.path)")
  }

  @Test func everyNamedTestIsThere() throws {
    let tests = CommandTests.root.appendingPathComponent("Tests")
    var text = ""
    for case let file as URL in FileManager.default.enumerator(at: tests, includingPropertiesForKeys: nil)! where file.pathExtension == "swift" {
      text += try String(contentsOf: file, encoding: .utf8)
    }
    for line in Self.lines.flatMap({ $0.lines }) {
      for test in line.tests { #expect(text.contains("func \(test)("), "\(test) is named for '\(line.text)' and does not exist") }
      #expect(!line.tests.isEmpty || !line.remark.isEmpty, "'\(line.text)' has neither a test nor a reason")
    }
    #expect(!text.contains("func " + "aTestThatIsNotThere("))
  }

  // MARK: Lines that no other test runs

  static func shell(_ script: String) throws -> Command { try Command.run(URL(fileURLWithPath: "/bin/bash"), ["-c", script]) }

  @Test func jqReadsTheGuidesAnswers() throws {
    let scratch = try ScratchDirectory()
    let node = try NodeProcess(home: scratch.url)
    let api = "http://localhost:\(node.apiPort)"
    let keys = try Self.shell("curl -s \(api)/v1/status | jq -r 'keys_unsorted[:6] | join(\" \")'")
    #expect(keys.output == "chain_id head_height head_hash peer_count syncing version\n", "\(keys.output)\(keys.errors)")
    #expect(try Self.shell("curl -s \(api)/v1/status | jq .peer_count").output == "0\n")
    #expect(try Self.shell("curl -s \(api)/v1/status | jq .mempool_size").output == "0\n")
    let watched = try Self.shell("curl -s \(api)/v1/status | jq -c \"{height: .head_height, syncing: .syncing}\"")
    #expect(watched.output == "{\"height\":0,\"syncing\":false}\n", "\(watched.output)")
    #expect(try Self.shell("curl -s \(api)/v1/peers | jq -c '[.count, (.peers | length)]'").output == "[0,0]\n")
    #expect(try Self.shell("curl -sf \(api)/v1/health | jq -r .status").output == "ok\n")
  }

  /// The section on resyncing, line by line, with the home of the test in the place of /opt/moloch and signals in the place of systemctl.
  @Test func theGuidesResyncIsRunAsPrinted() throws {
    let cluster = try Cluster()
    try cluster.start()
    let (ids, total) = try cluster[0].finalise(30, of: try cluster.records())
    let member = cluster[3]
    try member.expectFinal([ids[29]])
    #expect(member.stop() == 0, "\(member.lastLines)")
    let home = member.home.path
    func kept() throws -> String { try Self.shell("cd \(home) && sha256sum config/* keys/* && ls data/validator && test -f data/peers.json && echo peers").output }
    let before = try kept()
    #expect(before.hasSuffix("peers\n"))
    for line in ["rm -rf /opt/moloch/data/chain/*", "rm -rf /opt/moloch/data/mmr/*", "rm -rf /opt/moloch/data/index/*"] {
      #expect(try Self.shell(line.replacingOccurrences(of: "/opt/moloch", with: home)).status == 0)
    }
    #expect(try Self.shell("ls \(home)/data/chain \(home)/data/mmr \(home)/data/index | grep -v : | grep -c .").output == "0\n")
    try member.start()
    // What `watch` would show, as often as it can be asked.
    let watched = "curl -s http://localhost:\(member.apiPort)/v1/status | jq -c \"{height: .head_height, syncing: .syncing}\""
    var heights: [Int] = []
    let deadline = Date(timeIntervalSinceNow: 60)
    while Date() < deadline {
      let shown = try Self.shell(watched).output
      let object = try JSONSerialization.jsonObject(with: Data(shown.utf8)) as? [String: Any]
      // Null until the store is open.
      guard let height = object?["height"] as? Int else { continue }
      heights.append(height)
      if object?["syncing"] as? Bool == false, height >= total { break }
    }
    #expect(heights.last ?? 0 >= total && heights == heights.sorted(), "\(heights)")
    #expect(try kept() == before)
    try member.expectFinal(ids)
    try cluster.expectAgreement(at: total)
  }

  @Test func duListsTheDirectoriesOfTheGuide() throws {
    let scratch = try ScratchDirectory()
    let node = try BackupTests.node(scratch, events: 1)
    let listed = try Self.shell("du -sh \(node.home.path)/data/*")
    #expect(listed.status == 0)
    let names = Set(listed.output.split(separator: "\n").compactMap { $0.split(separator: "/").last.map(String.init) })
    #expect(names.isSuperset(of: ["chain", "mmr", "index", "validator"]), "\(listed.output)")
  }

  @Test func aCopiedDataDirectoryIsComplete() throws {
    let scratch = try ScratchDirectory()
    let node = try BackupTests.node(scratch, events: 3)
    node.signal(SIGTERM)
    #expect(node.waitForExit() == 0)
    let copied = try Self.shell("cd \(node.home.path) && cp -r data data.incident-$(date +%s) && find data -type s -o -type p | wc -l && rm -r data && mv data.incident-* data")
    #expect(copied.status == 0 && copied.output.hasPrefix("0"), "\(copied.output)\(copied.errors)")
    let verified = try Command.moloch("maintenance", "verify", "--level", "deep", "--home", node.home.path)
    #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
  }
}
