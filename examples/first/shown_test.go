package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The documentation of package weir shows this program.
func TestThePackageDocumentationShowsThisProgram(t *testing.T) {
	program, documentation := read(t, "main.go"), read(t, "../../doc.go")
	var shown strings.Builder
	for line := range strings.Lines(documentation) {
		code, isCode := strings.CutPrefix(line, "//\t")
		switch {
		case isCode:
			shown.WriteString(code)
		case line == "//\n":
			shown.WriteString("\n")
		case strings.HasPrefix(line, "// # Map"):
			if diff := cmp.Diff(program, strings.Trim(shown.String(), "\n")+"\n"); diff != "" {
				t.Errorf("the program, and the one of doc.go:\n%s", diff)
			}
			return
		}
	}
	t.Error("doc.go has no map of the packages")
}

// README.md begins with this program, its picture and its test. A reader copies them as they are.
func TestTheReadmeShowsThisProgramItsPictureAndItsTest(t *testing.T) {
	readme := read(t, "../../README.md")
	shown := []string{"", "", ""}
	rest := readme
	for i, fence := range []string{"```go\n", "```mermaid\n", "```go\n"} {
		_, after, found := strings.Cut(rest, fence)
		if !found {
			t.Fatalf("README.md has no block %d, %q", i, fence)
		}
		shown[i], rest, _ = strings.Cut(after, "```")
	}
	for i, want := range []string{read(t, "main.go"), topology().Mermaid(), read(t, "main_test.go")} {
		if diff := cmp.Diff(want, shown[i]); diff != "" {
			t.Errorf("block %d of README.md (-the program +README.md):\n%s", i, diff)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
