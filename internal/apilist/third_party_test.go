package apilist

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/weirstreams/weir"

// thirdParty are the types of other modules in the API, with the reason. A version of such a module that breaks them breaks the API.
var thirdParty = map[string]string{
	"kafka.Connection.Sarama: github.com/IBM/sarama":                                  "the marked way out to settings of the client",
	"sink/mongodb.Equal: go.mongodb.org/mongo-driver/v2/bson":                         "a condition of a query, which is a document of the driver",
	"sink/mongodb.Options.Filter: go.mongodb.org/mongo-driver/v2/bson":                "queries are documents of the driver, as in all programs that ask MongoDB",
	"sink/iceberg.Options.Catalog: github.com/apache/iceberg-go/catalog":              "catalogs of the project, and those that others write for it",
	"sink/iceberg.REST.Open: github.com/apache/iceberg-go/catalog":                    "the value of Options.Catalog",
	"runtime.Config.MeterProvider: go.opentelemetry.io/otel/metric":                   "the common interface of metrics in Go",
	"runtime.TracingConfig.TracerProvider: go.opentelemetry.io/otel/trace":            "the common interface of traces in Go",
	"runtime.TracingConfig.Propagator: go.opentelemetry.io/otel/propagation":          "the common interface of contexts in headers in Go",
	"runtime/prometheus.Exporter.MeterProvider: go.opentelemetry.io/otel/metric":      "the common interface of metrics in Go",
	"codec.Text: golang.org/x/text/encoding":                                          "the common interface of encodings in Go",
	"codec/protobuf.Format: google.golang.org/protobuf/proto":                         "generated code",
	"codec/protobuf.Message: google.golang.org/protobuf/proto":                        "generated code",
	"codec/protobuf.Dynamic: google.golang.org/protobuf/reflect/protoreflect":         "descriptors of messages without generated code",
	"codec/protobuf.Dynamic: google.golang.org/protobuf/types/dynamicpb":              "messages without generated code",
	"codec/protobuf.Map: google.golang.org/protobuf/reflect/protoreflect":             "descriptors of messages without generated code",
	"codec/protobuf.FromDescriptorSet: google.golang.org/protobuf/types/descriptorpb": "the output of the compiler",
	"codec/protobuf.Types.Message: google.golang.org/protobuf/reflect/protoreflect":   "descriptors of messages without generated code",
	"codec/protobuf.TypeResolver: google.golang.org/protobuf/reflect/protoregistry":   "the types of generated code",
}

// The API of a package shows the types of another module only where a program has them already.
func TestTheAPIShowsNoTypesOfOtherModules(t *testing.T) {
	found := map[string]bool{}
	walk(t, skip, func(file string) {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name == "main" {
			return
		}
		imports := importsOf(t, f)
		see := func(name string, shown ...ast.Node) {
			for _, node := range shown {
				ast.Inspect(node, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						if x, ok := s.X.(*ast.Ident); ok && imports[x.Name] != "" {
							found[path.Dir(file)+"."+name+": "+imports[x.Name]] = true
						}
					}
					return true
				})
			}
		}
		for _, d := range f.Decls {
			seeShown(d, see)
		}
	})
	if diff := cmp.Diff(slices.Sorted(maps.Keys(thirdParty)), slices.Sorted(maps.Keys(found))); diff != "" {
		t.Errorf("types of other modules in the API (-allowed +found): give the package an opaque type of its own\n%s", diff)
	}
}

// importsOf returns the paths of the imports of a file that belong to other modules, by the names that the file calls them.
func importsOf(t *testing.T, f *ast.File) map[string]string {
	imports := map[string]string{}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		host, _, _ := strings.Cut(imported, "/")
		if !strings.Contains(host, ".") || imported == module || strings.HasPrefix(imported, module+"/") {
			continue
		}
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		} else if rest, version, _ := strings.Cut(imported, "/v"); version != "" && !strings.Contains(version, "/") {
			name = path.Base(rest)
		}
		imports[name] = imported
	}
	return imports
}

// seeShown calls see with the parts of a declaration that the documentation shows.
func seeShown(d ast.Decl, see func(name string, shown ...ast.Node)) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		receiver := receiverOf(d)
		if !d.Name.IsExported() || receiver != "" && !ast.IsExported(receiver) {
			return
		}
		name := d.Name.Name
		if receiver != "" {
			name = receiver + "." + name
		}
		see(name, d.Type)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if !spec.Name.IsExported() {
					continue
				}
				if spec.TypeParams != nil {
					see(spec.Name.Name, spec.TypeParams)
				}
				if s, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range s.Fields.List {
						for _, name := range field.Names {
							if name.IsExported() {
								see(spec.Name.Name+"."+name.Name, field.Type)
							}
						}
						if field.Names == nil { // embedded
							see(fmt.Sprint(spec.Name.Name, " embeds"), field.Type)
						}
					}
				} else {
					see(spec.Name.Name, spec.Type)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() && spec.Type != nil {
						see(name.Name, spec.Type)
					}
				}
			}
		}
	}
}
