package apilist

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// mostMethods bounds the methods of Stream that a reader has to look through. A rare operator is a function, a method of another
// type, or a combination that the comment of its nearest relative names.
const mostMethods = 80

func TestStreamHasFewMethods(t *testing.T) {
	var methods []string
	walk(t, skip, func(file string) {
		if !strings.HasPrefix(file, "stream/") || strings.Count(file, "/") > 1 || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.IsExported() && receiverOf(f) == "Stream" {
				methods = append(methods, f.Name.Name)
			}
		}
	})
	if n := len(methods); n > mostMethods || n < 50 {
		t.Errorf("Stream has %d exported methods, want %d at most: %v", n, mostMethods, methods)
	}
}
