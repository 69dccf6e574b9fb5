package stream_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// What a user gets wrong about types must not compile. See testdata/compile/mistakes.go.
func TestMistakesDoNotCompile(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "testdata/compile/mistakes.go", nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]*regexp.Regexp{} // by line
	for _, group := range file.Comments {
		for _, c := range group.List {
			if pattern, ok := strings.CutPrefix(c.Text, "// ERROR "); ok {
				want[fset.Position(c.Pos()).Line] = regexp.MustCompile(pattern)
			}
		}
	}
	config := types.Config{
		Importer: importer.ForCompiler(fset, "gc", exportData(t)),
		Error: func(err error) {
			var e types.Error
			if !errors.As(err, &e) {
				t.Error(err)
				return
			}
			line := fset.Position(e.Pos).Line
			if pattern := want[line]; pattern == nil || !pattern.MatchString(e.Msg) {
				t.Errorf("line %d: %s\nwant %v", line, e.Msg, pattern)
			}
			if strings.Contains(e.Msg, "github.com/") {
				t.Errorf("line %d: the error names a type with the path of its package: %s", line, e.Msg)
			}
			delete(want, line)
		},
	}
	if _, err := config.Check("compile", fset, []*ast.File{file}, nil); err == nil {
		t.Error("compiles")
	}
	for line, pattern := range want {
		t.Errorf("line %d compiles; want %v", line, pattern)
	}
}

// exportData returns how to read what the compiler knows of the packages that stream and this test import.
func exportData(t *testing.T) importer.Lookup {
	t.Helper()
	var stderr bytes.Buffer
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}", ".", "context", "time")
	list.Stderr = &stderr
	listed, err := list.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(listed)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}
