// Independent verifier: checks a node's log with golang.org/x/mod/sumdb (tlog, note) and nothing of the node's own code.
//
//	go run verify.go -url http://127.0.0.1:8080 -vkey 'origin+hash+key' [-old size:base64root] [-proofs file]
//
// It opens the checkpoint's log signature, reads the tree through authenticated tiles, proves every leaf of the entry bundles with
// tlog.CheckRecord, proves consistency with an older tree with tlog.CheckTree, and checks inclusion proofs that the API printed.
// Lines of -proofs: "<index> <size> <root hex> <entry base64> <hash hex>,<hash hex>,...".
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight  = 8
	bundleWidth = 256
	entryLength = 192
)

var base = flag.String("url", "", "base URL of the node")
var vkey = flag.String("vkey", "", "verifier key of the log line")
var old = flag.String("old", "", "older tree as size:base64root, to prove consistency from")
var proofs = flag.String("proofs", "", "file with inclusion proofs printed by the API")

func get(path string) []byte {
	answer, err := http.Get(*base + "/tlog/" + path)
	if err != nil {
		log.Fatalf("GET %s: %v", path, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		log.Fatalf("GET %s: status %d, error %v", path, answer.StatusCode, err)
	}
	return body
}

// tiles reads tiles over HTTP; tlog.TileHashReader authenticates them against the tree head.
type tiles struct{}

func (tiles) Height() int                        { return tileHeight }
func (tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range wanted {
		// tlog spells tile/<H>/<L>/<N>; tlog-tiles fixes H at 8 and leaves it out.
		data = append(data, get(strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
	}
	return data, nil
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		log.Fatalf("%q is not a number", text)
	}
	return value
}

func hash(bytes []byte, err error) (h tlog.Hash) {
	if err != nil || len(bytes) != tlog.HashSize {
		log.Fatalf("not a hash: %x (%v)", bytes, err)
	}
	copy(h[:], bytes)
	return
}

// head opens the checkpoint with the log's key and returns the tree that it signs.
func head() tlog.Tree {
	verifier, err := note.NewVerifier(*vkey)
	if err != nil {
		log.Fatalf("vkey: %v", err)
	}
	opened, err := note.Open(get("checkpoint"), note.VerifierList(verifier))
	if err != nil {
		log.Fatalf("checkpoint: %v", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		log.Fatalf("checkpoint text: %q", opened.Text)
	}
	return tlog.Tree{N: number(lines[1]), Hash: hash(base64.StdEncoding.DecodeString(lines[2]))}
}

// index spells a tile or bundle number: groups of three digits, all but the last prefixed with x.
func index(n int64) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	return text
}

// entries reads all leaves from the entry bundles.
func entries(size int64) (leaves [][]byte) {
	for first := int64(0); first < size; first += bundleWidth {
		path, width := "tile/entries/"+index(first/bundleWidth), int64(bundleWidth)
		if size-first < width {
			width = size - first
			path += fmt.Sprintf(".p/%d", width)
		}
		bundle := get(path)
		if int64(len(bundle)) != width*(2+entryLength) {
			log.Fatalf("%s: %d bytes for %d entries", path, len(bundle), width)
		}
		for ; len(bundle) > 0; bundle = bundle[2+entryLength:] {
			if bundle[0] != 0 || bundle[1] != entryLength {
				log.Fatalf("%s: entry length %x", path, bundle[:2])
			}
			leaves = append(leaves, bundle[2:2+entryLength])
		}
	}
	return
}

func checkPrintedProofs() (count int) {
	file, err := os.Open(*proofs)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		field := strings.Split(scanner.Text(), " ")
		if len(field) != 5 {
			log.Fatalf("proof line %q", scanner.Text())
		}
		entry, err := base64.StdEncoding.DecodeString(field[3])
		if err != nil {
			log.Fatal(err)
		}
		var path tlog.RecordProof
		for _, text := range strings.FieldsFunc(field[4], func(r rune) bool { return r == ',' || r == '-' }) {
			path = append(path, hash(hex.DecodeString(text)))
		}
		root := hash(hex.DecodeString(field[2]))
		if err := tlog.CheckRecord(path, number(field[1]), root, number(field[0]), tlog.RecordHash(entry)); err != nil {
			log.Fatalf("inclusion of leaf %s: %v", field[0], err)
		}
		count++
	}
	return
}

func main() {
	log.SetFlags(0)
	flag.Parse()
	tree := head()
	reader := tlog.TileHashReader(tree, tiles{})
	leaves := entries(tree.N)
	for n, leaf := range leaves {
		path, err := tlog.ProveRecord(tree.N, int64(n), reader)
		if err != nil {
			log.Fatalf("leaf %d: %v", n, err)
		}
		if err := tlog.CheckRecord(path, tree.N, tree.Hash, int64(n), tlog.RecordHash(leaf)); err != nil {
			log.Fatalf("leaf %d: %v", n, err)
		}
	}
	if *old != "" {
		size, root, _ := strings.Cut(*old, ":")
		before := tlog.Tree{N: number(size), Hash: hash(base64.StdEncoding.DecodeString(root))}
		path, err := tlog.ProveTree(tree.N, before.N, reader)
		if err != nil {
			log.Fatalf("consistency: %v", err)
		}
		if err := tlog.CheckTree(path, tree.N, tree.Hash, before.N, before.Hash); err != nil {
			log.Fatalf("consistency: %v", err)
		}
	}
	printed := 0
	if *proofs != "" {
		printed = checkPrintedProofs()
	}
	fmt.Printf("verified size=%d root=%s leaves=%d proofs=%d\n", tree.N, base64.StdEncoding.EncodeToString(tree.Hash[:]), len(leaves), printed)
}
