package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var namesAnError = regexp.MustCompile(`\bErr[A-Z]|\[\*(weir\.)?[A-Z]?\w*Error\]|errors are those of|[Tt]he error is that of|fails? (only )?if|always nil`)

// The functions of the clients say which errors a caller can match.
func TestFunctionsOfTheClientsNameTheirErrors(t *testing.T) {
	found := 0
	for _, folder := range []string{"kafka", "runtime", "quixcloud/config", "codec/registry"} {
		files, err := filepath.Glob("../" + folder + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && isClientFunction(f) {
					found++
					if !namesAnError.MatchString(strings.ReplaceAll(f.Doc.Text(), "\n", " ")) {
						t.Errorf("%s: the documentation of %s names no error", name, f.Name.Name)
					}
				}
			}
		}
	}
	if found < 25 {
		t.Errorf("only %d functions were found", found)
	}
}

// isClientFunction reports whether a program calls the function, and gets an error of it. Methods of well-known interfaces are others.
func isClientFunction(f *ast.FuncDecl) bool {
	if !f.Name.IsExported() || f.Type.Results == nil || slices.Contains([]string{"Unwrap", "MarshalText", "MarshalJSON"}, f.Name.Name) {
		return false
	}
	if f.Recv != nil {
		receiver := f.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		switch generic := receiver.(type) {
		case *ast.IndexExpr:
			receiver = generic.X
		case *ast.IndexListExpr:
			receiver = generic.X
		}
		if name, ok := receiver.(*ast.Ident); ok && !name.IsExported() {
			return false
		}
	}
	results := f.Type.Results.List
	last, ok := results[len(results)-1].Type.(*ast.Ident)
	return ok && last.Name == "error"
}

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
