package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// The page has every error that package weir declares.
func TestErrorsAreListed(t *testing.T) {
	page, err := os.ReadFile("errors.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Err") {
			found++
			if row := "| `weir." + spec.Names[0].Name + "` |"; !strings.Contains(string(page), row) {
				t.Errorf("errors.md has no row %s", row)
			}
		}
		return true
	})
	if found < 9 {
		t.Errorf("only %d errors were found", found)
	}
}
