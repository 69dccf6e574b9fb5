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

// withoutExample are packages whose documentation shows their use, with the reason why no Example can.
var withoutExample = map[string]string{
	"sink/sinktest":     "the kit is called by a test",
	"source/sourcetest": "the kit is called by a test",
	"testkit/sim":       "programs use it through testkit.Simulate",
}

// Each package that programs import has an example of the package as a whole, which go doc servers show first.
func TestEachPackageHasAnExample(t *testing.T) {
	packages, shown := map[string]bool{}, map[string]bool{}
	walk(t, skip, func(file string) {
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
			return
		}
		for _, e := range doc.Examples([]*ast.File{f}...) {
			shown[dir] = shown[dir] || e.Name == ""
		}
	})
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		_, excused := withoutExample[dir]
		switch {
		case packages[dir] && !shown[dir] && !excused:
			t.Errorf("%s has no func Example(): write one, complete, in %s/example_test.go", dir, dir)
		case shown[dir] && excused:
			t.Errorf("%s has an example: take it off the list", dir)
		}
	}
	if len(packages) < 50 {
		t.Errorf("only %d packages were found", len(packages))
	}
}
