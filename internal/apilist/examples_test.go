package apilist

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each package that programs import has an introduction in its documentation, and an example of the package as a whole, which go doc servers show first.
func TestEachPackageHasAnIntroductionAndAnExample(t *testing.T) {
	packages, shown := map[string]bool{}, map[string]bool{}
	words := map[string]int{}
	walk(t, func(dir string) bool { return skip(dir) && dir != "lint" }, func(file string) {
		if !strings.HasSuffix(file, ".go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		dir := path.Dir(file)
		if !strings.HasSuffix(file, "_test.go") {
			packages[dir] = packages[dir] || f.Name.Name != "main"
			words[dir] += len(strings.Fields(f.Doc.Text()))
			return
		}
		for _, e := range doc.Examples([]*ast.File{f}...) {
			shown[dir] = shown[dir] || e.Name == ""
		}
	})
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if packages[dir] && !shown[dir] {
			t.Errorf("%s has no func Example(): write one, complete, in %s/example_test.go", dir, dir)
		}
		if packages[dir] && words[dir] < 20 {
			t.Errorf("%s: its documentation has %d words: say what the package is for, and how to begin", dir, words[dir])
		}
	}
	if len(packages) < 50 {
		t.Errorf("only %d packages were found", len(packages))
	}
}
