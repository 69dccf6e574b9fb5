package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/weirstreams/weir/cmd/weir/internal/cli"
	"github.com/weirstreams/weir/lint"
)

func vetCommand(s *cli.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "vet [PACKAGE...]",
		Short: "Find definitions of streams, windows and stores that are thrown away",
		Long: `Find definitions of streams, windows and stores that are thrown away, in packages of the module in the current folder, tests included. It
runs the analyzer of package lint, and needs the go command. Without arguments it reads ./... .

The exit code is 3 if it finds something, and 1 if a package does not compile.`,
		Example: "  weir vet\n  weir vet ./pipelines/... --output json",
		RunE: func(command *cobra.Command, patterns []string) error {
			if len(patterns) == 0 {
				patterns = []string{"./..."}
			}
			found, err := analyze(command.Context(), patterns)
			if err != nil {
				return err
			}
			return printDiagnostics(s, found)
		},
	}
}

// diagnostic is a finding of an analyzer.
type diagnostic struct {
	// Place is FILE:LINE:COLUMN.
	Place   string `json:"place"`
	Message string `json:"message"`
}

// analyze runs the analyzer on packages of the current folder's module. It reads dependencies as compiled packages, which suffices for an
// analyzer without facts.
func analyze(ctx context.Context, patterns []string) ([]diagnostic, error) {
	loaded, err := packages.Load(&packages.Config{
		Context: ctx, Tests: true,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps | packages.NeedModule |
			packages.NeedExportFile | packages.NeedTypesSizes,
	}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	var problems []string
	for _, p := range loaded {
		checkTypes(p)
		for _, e := range p.Errors {
			problems = append(problems, strings.Split(strings.TrimPrefix(near(e.Error()), "-: "), "\n")...)
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems) // errors come from the go command and from the type check, and a package with tests is loaded twice
		return nil, fmt.Errorf("packages do not load or compile:\n%s", strings.Join(slices.Compact(problems), "\n"))
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{lint.Unused}, loaded, nil)
	if err != nil {
		return nil, err
	}
	found := []diagnostic{}
	for _, action := range graph.Roots {
		if action.Err != nil {
			return nil, fmt.Errorf("package %s: %w", action.Package.PkgPath, action.Err)
		}
		for _, d := range action.Diagnostics {
			found = append(found, diagnostic{near(action.Package.Fset.Position(d.Pos).String()), d.Message})
		}
	}
	slices.SortFunc(found, func(a, b diagnostic) int { return strings.Compare(a.Place, b.Place) })
	return slices.Compact(found), nil
}

// checkTypes parses a package and checks its types. [packages.Load] can do both, but it checks packages side by side with the same imports,
// which is a data race in go/types of Go 1.27. Here no package shares an import with another.
func checkTypes(p *packages.Package) {
	p.Fset = token.NewFileSet()
	for _, name := range p.CompiledGoFiles {
		file, err := parser.ParseFile(p.Fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			p.Errors = append(p.Errors, packages.Error{Pos: "-", Msg: err.Error(), Kind: packages.ParseError})
			return
		}
		p.Syntax = append(p.Syntax, file)
	}
	p.TypesInfo = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Instances: map[*ast.Ident]types.Instance{}, Defs: map[*ast.Ident]types.Object{},
		Uses: map[*ast.Ident]types.Object{}, Implicits: map[ast.Node]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
		Scopes: map[ast.Node]*types.Scope{}, FileVersions: map[*ast.File]string{},
	}
	config := types.Config{
		Sizes: p.TypesSizes,
		Importer: importer.ForCompiler(p.Fset, "gc", func(path string) (io.ReadCloser, error) {
			imported, ok := p.Imports[path]
			if !ok || imported.ExportFile == "" {
				return nil, fmt.Errorf("package %s is not compiled", path)
			}
			return os.Open(imported.ExportFile)
		}),
		Error: func(err error) {
			e, _ := errors.AsType[types.Error](err)
			p.Errors = append(p.Errors, packages.Error{Pos: p.Fset.Position(e.Pos).String(), Msg: e.Msg, Kind: packages.TypeError})
		},
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	p.Types, _ = config.Check(p.PkgPath, p.Fset, p.Syntax, p.TypesInfo) // the errors are in p.Errors
}

// near shortens the names of files below the current folder.
func near(text string) string {
	if dir, err := os.Getwd(); err == nil {
		return strings.ReplaceAll(text, dir+string(filepath.Separator), "")
	}
	return text
}

func printDiagnostics(s *cli.Session, found []diagnostic) error {
	if s.JSON() {
		if err := s.PrintJSON(found); err != nil {
			return err
		}
	} else {
		for _, d := range found {
			fmt.Fprintf(s.Out, "%s: %s\n", d.Place, d.Message)
		}
	}
	if len(found) > 0 {
		return cli.Findings()
	}
	return nil
}
