package stream_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// withoutExample are exported names that need none: accessors, texts, and what is for other packages.
var withoutExample = map[string]bool{
	"Topic_Name": true, "Topic_KeyCodec": true, "Topic_ValueCodec": true,
	"Change_String": true, "Finding_String": true, "ValidationError_Error": true,
	"Topology_Graph": true,
}

// Every exported function and method has a runnable example.
func TestEverythingHasAnExample(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	declared, examples := map[string]token.Position{}, map[string]bool{}
	fset := token.NewFileSet()
	for _, entry := range files {
		if !strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		file, err := parser.ParseFile(fset, entry.Name(), nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			switch {
			case !ok:
			case !strings.HasSuffix(entry.Name(), "_test.go"):
				if name := exampleName(f); name != "" {
					declared[name] = fset.Position(f.Pos())
				}
			case f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example"):
				if !checksOutput(file, f) {
					t.Errorf("%s: %s has no // Output, and is not run", fset.Position(f.Pos()), f.Name.Name)
				}
				name := strings.TrimPrefix(f.Name.Name, "Example")
				examples[name] = true
				if i := strings.LastIndexByte(name, '_'); i >= 0 && !ast.IsExported(name[i+1:]) {
					examples[name[:i]] = true
				}
			}
		}
	}
	for name, at := range declared {
		if !examples[name] && !withoutExample[name] {
			t.Errorf("%s: there is no Example%s", at, name)
		}
	}
	for name := range withoutExample {
		if _, ok := declared[name]; !ok || examples[name] {
			t.Errorf("%s is not there, or has an example", name)
		}
	}
	if len(declared) < 150 {
		t.Errorf("only %d functions were found", len(declared))
	}
}

// exampleName is what follows "Example" for an exported function or method of an exported type, else "".
func exampleName(f *ast.FuncDecl) string {
	if !f.Name.IsExported() {
		return ""
	}
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
			continue
		case *ast.IndexExpr:
			of = t.X
			continue
		case *ast.IndexListExpr:
			of = t.X
			continue
		case *ast.Ident:
			if t.IsExported() {
				return t.Name + "_" + f.Name.Name
			}
		}
		return ""
	}
}

// checksOutput reports whether an example ends in a comment with its output.
func checksOutput(file *ast.File, f *ast.FuncDecl) bool {
	for _, group := range file.Comments {
		if group.Pos() > f.Body.Pos() && group.End() < f.Body.End() {
			if text := strings.ToLower(group.Text()); strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:") {
				return true
			}
		}
	}
	return false
}
