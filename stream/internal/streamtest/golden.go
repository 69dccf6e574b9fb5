package streamtest

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// Golden compares a text with a file in the folder testdata of the test. With the flag -update it writes the file.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// siteLine matches the line number of a site.
var siteLine = regexp.MustCompile(`(\.go):\d+`)

// WithoutLines replaces the line numbers of sites, which every edit of a test would change.
func WithoutLines(text string) string { return siteLine.ReplaceAllString(text, "$1:LINE") }
