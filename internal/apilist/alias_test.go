package apilist

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// go doc shows the fields and methods of a type where it is defined, and not at an alias. So words that several packages share are
// defined in one that programs import, such as the root. Below sink, source and join, connectors name the options that they share.
func TestExportedTypesAreNoAliases(t *testing.T) {
	types := 0
	walk(t, skip, func(file string) {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || strings.Count(file, "/") > 1 {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range group.Specs {
				s, ok := spec.(*ast.TypeSpec)
				if !ok || !s.Name.IsExported() {
					continue
				}
				types++
				if s.Assign.IsValid() {
					t.Errorf("%s.%s is an alias: define the type in one package that programs import, and name it there", path.Dir(file), s.Name.Name)
				}
			}
		}
	})
	if types < 100 {
		t.Errorf("only %d types were found", types)
	}
}
