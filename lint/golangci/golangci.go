// Package golangci makes the analyzers of package lint a plugin of golangci-lint, by its module plugin system. Build a
// golangci-lint that has it with golangci-lint custom and this .custom-gcl.yml:
//
//	version: v2.15.0
//	plugins:
//	  - module: github.com/weirstreams/weir/lint
//	    import: github.com/weirstreams/weir/lint/golangci
//	    version: latest
//
// and enable it in .golangci.yml:
//
//	linters:
//	  enable: [weir]
//	  settings:
//	    custom:
//	      weir:
//	        type: module
//	        description: finds definitions of Weir that are thrown away
package golangci

import (
	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis"

	"github.com/weirstreams/weir/lint"
)

func init() { register.Plugin("weir", New) }

// New returns the plugin. It takes no settings.
func New(any) (register.LinterPlugin, error) { return plugin{}, nil }

type plugin struct{}

// BuildAnalyzers implements [register.LinterPlugin].
func (plugin) BuildAnalyzers() ([]*analysis.Analyzer, error) {
	return []*analysis.Analyzer{lint.Unused}, nil
}

// GetLoadMode implements [register.LinterPlugin].
func (plugin) GetLoadMode() string { return register.LoadModeTypesInfo }
