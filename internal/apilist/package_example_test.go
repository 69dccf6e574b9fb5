package apilist

import (
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// withoutExample are packages that no program of a user calls by itself, with the reason.
var withoutExample = map[string]string{
	"join/sqllookup":    "lookups of databases are built on it; join/sqlite and join/postgres have examples",
	"sink/sinktest":     "docs/sinks.md has a complete test with it",
	"source/sourcetest": "docs/sources.md has a complete test with it",
	"testkit/sim":       "testkit.Simulate has an example",
}

// The first thing that pkg.go.dev shows of a package is how it is used. Nested modules are not looked at.
func TestPackagesHaveAnExample(t *testing.T) {
	packages, examples := map[string]bool{}, map[string]bool{}
	nested := func(dir string) bool {
		_, err := os.Stat(filepath.Join(root, dir, "go.mod"))
		return dir != "." && err == nil
	}
	walk(t, func(dir string) bool { return skip(dir) || nested(dir) }, func(file string) {
		if !strings.HasSuffix(file, ".go") {
			return
		}
		if strings.HasSuffix(file, "_test.go") {
			text, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "\nfunc Example() {\n") {
				examples[path.Dir(file)] = true
			}
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name != "main" {
			packages[path.Dir(file)] = true
		}
	})
	var missing []string
	for dir := range packages {
		_, exempt := withoutExample[dir]
		switch {
		case exempt && examples[dir]:
			t.Errorf("%s has an example: take it off the list", dir)
		case !exempt && !examples[dir]:
			missing = append(missing, dir)
		}
	}
	slices.Sort(missing)
	for _, dir := range missing {
		t.Errorf("package %s has no func Example: show how it is used", dir)
	}
	if len(packages) < 30 {
		t.Errorf("only %d packages were found", len(packages))
	}
}
