package lint

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// Unused reports calls that return a definition of Weir (a stream, a topic, a window, a join, a store, an expression, a
// codec) and throw it away. Definitions are values: w.Grace(d) and topic.WithPartitions(3) return changed copies and change
// nothing by themselves, and a stream that nothing reads computes nothing.
//
// The flag weirunused.tests=false leaves test files out, because their mistakes may be deliberate.
//
// Operators that do something without a reader, such as Peek and MapState, are left alone, and so is a result that is
// assigned to the blank identifier.
var Unused = &analysis.Analyzer{
	Name:     "weirunused",
	Doc:      "report definitions of Weir that are made and thrown away, such as w.Grace(d) as a statement",
	URL:      "https://pkg.go.dev/github.com/weirstreams/weir/lint",
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      run,
}

// tests says whether test files are looked at.
var tests bool

func init() {
	Unused.Flags.BoolVar(&tests, "tests", true, "look at test files, too")
}

// modulePath is the path of Weir's module.
const modulePath = "github.com/weirstreams/weir"

func run(pass *analysis.Pass) (any, error) {
	statements := []ast.Node{(*ast.ExprStmt)(nil), (*ast.DeferStmt)(nil), (*ast.GoStmt)(nil)}
	pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Preorder(statements, func(n ast.Node) {
		var call *ast.CallExpr
		switch n := n.(type) {
		case *ast.ExprStmt:
			call, _ = ast.Unparen(n.X).(*ast.CallExpr)
		case *ast.DeferStmt:
			call = n.Call
		case *ast.GoStmt:
			call = n.Call
		}
		if call == nil || !tests && strings.HasSuffix(pass.Fset.File(call.Pos()).Name(), "_test.go") {
			return
		}
		f, ok := typeutil.Callee(pass.TypesInfo, call).(*types.Func)
		if !ok || !inModule(f) {
			return
		}
		results := f.Signature().Results()
		if results.Len() != 1 || !isDefinition(results.At(0).Type()) {
			return
		}
		receiver := receiverName(f)
		if hasEffect(receiver, f.Name()) {
			return
		}
		pass.ReportRangef(call, "the result of %s is thrown away: %s", name(f, receiver), remedy(receiver, results.At(0).Type()))
	})
	return nil, nil
}

// inModule reports whether an object is declared by Weir.
func inModule(o types.Object) bool {
	return o.Pkg() != nil && (o.Pkg().Path() == modulePath || strings.HasPrefix(o.Pkg().Path(), modulePath+"/"))
}

// definitions are the folders of packages that declare definitions.
var definitions = []string{"stream", "window", "join", "row", "codec"}

// isDefinition reports whether a type is a definition, or is a pointer to one.
func isDefinition(t types.Type) bool {
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	named, ok := t.(*types.Named)
	if !ok || !inModule(named.Obj()) {
		return false
	}
	path := strings.TrimPrefix(named.Obj().Pkg().Path(), modulePath+"/")
	first, _, _ := strings.Cut(path, "/")
	return slices.Contains(definitions, first) || path == "store" && strings.HasSuffix(named.Obj().Name(), "Handle")
}

// receiverName returns the name of the type that a method belongs to, or "" for a function.
func receiverName(f *types.Func) string {
	receiver := f.Signature().Recv()
	if receiver == nil {
		return ""
	}
	t := types.Unalias(receiver.Type())
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	if named, ok := t.(*types.Named); ok {
		return named.Obj().Name()
	}
	return ""
}

// effects lists methods that do something by themselves, without "Record" behind their names.
var effects = map[string][]string{
	// They show records to people, change state, or emit by themselves.
	"Stream": {"Peek", "Print", "PrintTable", "Collect", "MapState", "FilterState", "FlatMapState", "ProcessState", "Process", "Reduce"},
	// A case that nothing reads takes its records from the cases after it.
	"Branches": {"When", "Match"},
}

// hasEffect reports whether a call does something by itself.
func hasEffect(receiver, method string) bool {
	method = strings.TrimSuffix(method, "Record")
	return slices.Contains(effects[receiver], method)
}

func name(f *types.Func, receiver string) string {
	if receiver == "" {
		return f.Pkg().Name() + "." + f.Name()
	}
	return receiver + "." + f.Name()
}

// remedy returns advice on the result.
func remedy(receiver string, result types.Type) string {
	if p, ok := types.Unalias(result).(*types.Pointer); ok {
		result = p.Elem()
	}
	switch kind := types.Unalias(result).(*types.Named).Obj().Name(); {
	case kind == "Aggregated" || kind == "Windowed":
		return "nothing is computed until Final, Current or Suppress is called on it"
	case kind == "Stream" || kind == "Table":
		return "continue with it, or end it with To or Sink"
	case kind == receiver:
		return "it returns a changed copy and leaves the " + receiver + " as it is"
	default:
		return "the call has no other effect"
	}
}
