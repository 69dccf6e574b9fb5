package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

func TestNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	datadriven.RunTest(t, "testdata/new", func(t *testing.T, d *datadriven.TestData) string {
		return strings.ReplaceAll(shell(t, dir, d.Input), dir, "DIR")
	})
}

// A new program compiles and passes its test, with the Weir of this repository.
func TestANewProgramPassesItsTest(t *testing.T) {
	if os.Getenv("WEIR_TEST_BROKERS") != "" {
		t.Skip("it needs no broker, and runs without one too")
	}
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// The modules in the cache suffice: they are those of this module.
	const script = `set -e
weir new word-count --module example.com/word-count --replace "$ROOT" >/dev/null
cp "$ROOT/cmd/weir/go.sum" word-count/go.sum
cd word-count
test -z "$(gofmt -l .)"
go mod tidy 2>tidy.log || { cat tidy.log; exit 1; }
go test ./...
`
	got := shell(t, t.TempDir(), script, "ROOT="+root, "GOFLAGS=-mod=mod -buildvcs=false", "GOPROXY=off", "GOWORK=off")
	if !regexp.MustCompile(`(?m)^ok\s+example.com/word-count\s`).MatchString(got) || strings.Contains(got, "exit") {
		t.Errorf("the new program printed:\n%s", got)
	}
}
