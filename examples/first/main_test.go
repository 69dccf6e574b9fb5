package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/testkit"
)

func TestWordsAreCounted(t *testing.T) {
	d := testkit.New(t, topology(), testkit.Config{})
	d.Input(lines).Send("", "to be or not to be", time.UnixMilli(0))
	d.Output(counts).ExpectValues(1, 1, 1, 1, 2, 2)
}

// The documentation of package weir shows this program.
func TestThePackageDocumentationShowsThisProgram(t *testing.T) {
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	documentation, err := os.ReadFile("../../doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for line := range strings.Lines(string(documentation)) {
		code, isCode := strings.CutPrefix(line, "//\t")
		switch {
		case isCode:
			shown.WriteString(code)
		case line == "//\n":
			shown.WriteString("\n")
		case strings.HasPrefix(line, "// # Map"):
			if diff := cmp.Diff(string(program), strings.Trim(shown.String(), "\n")+"\n"); diff != "" {
				t.Errorf("the program, and the one of doc.go:\n%s", diff)
			}
			return
		}
	}
	t.Error("doc.go has no map of the packages")
}
