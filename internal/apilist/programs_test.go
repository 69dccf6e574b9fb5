package apilist

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/longtest"
)

// The complete programs in the documentation of packages compile, and vet has nothing against them. Each is checked in the module
// of its package. With WEIR_TEST_LONG alone, as in CI, because this needs the dependencies of all nested modules.
func TestProgramsInPackageDocumentationCompile(t *testing.T) {
	if longtest.Cases(0, 1) == 0 {
		t.Skip("WEIR_TEST_LONG is not set")
	}
	programs := 0
	walk(t, skip, func(file string) {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		program := programOf(f.Doc)
		if program == "" {
			return
		}
		programs++
		t.Run(file, func(t *testing.T) {
			dir, module := t.TempDir(), moduleOf(t, file)
			source, modfile := filepath.Join(dir, "main.go"), filepath.Join(dir, "go.mod")
			write(t, source, []byte(program))
			write(t, modfile, read(t, filepath.Join(module, "go.mod")))
			// A module has no sums of modules that only the program needs: they are those of the core.
			write(t, filepath.Join(dir, "go.sum"), append(read(t, filepath.Join(module, "go.sum")), read(t, filepath.Join(root, "go.sum"))...))
			vet := exec.CommandContext(t.Context(), "go", "vet", "-modfile="+modfile, source)
			vet.Dir, vet.Env = module, append(os.Environ(), "GOWORK=off")
			if out, err := vet.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\nthe program:\n%s", err, out, program)
			}
		})
	})
	if programs < 8 {
		t.Errorf("only %d programs were found", programs)
	}
}

// programOf returns the program that a package comment shows, as indented code from "package main" to the next line that is not
// indented, or nothing.
func programOf(doc *ast.CommentGroup) string {
	if doc == nil {
		return ""
	}
	var program strings.Builder
	for line := range strings.Lines(doc.Text()) {
		code, indented := strings.CutPrefix(line, "\t")
		switch {
		case program.Len() == 0 && strings.TrimSpace(line) != "package main":
			// The program has not begun.
		case indented:
			program.WriteString(code)
		case strings.TrimSpace(line) == "":
			program.WriteString("\n")
		default:
			return program.String()
		}
	}
	return program.String()
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// moduleOf returns the folder of the module that a file belongs to.
func moduleOf(t *testing.T, file string) string {
	t.Helper()
	for dir := filepath.Dir(filepath.Join(root, file)); ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Clean(dir) == filepath.Clean(root) {
			t.Fatalf("no module of %s: %v", file, err)
		}
	}
}

func TestAProgramIsTheIndentedCodeOfAComment(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", "// Package x is short:\n//\n//\tx.Open()\n//\n// A program:\n//\n//\tpackage main\n//\n"+
		"//\tfunc main() {\n//\t\tx.Run()\n//\t}\n//\n// More text.\npackage x\n", parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := programOf(f.Doc), "package main\n\nfunc main() {\n\tx.Run()\n}\n\n"; got != want {
		t.Errorf("program %q, want %q", got, want)
	}
}
