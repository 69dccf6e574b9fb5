package golangci_test

import (
	"testing"

	"github.com/golangci/plugin-module-register/register"

	_ "github.com/weirstreams/weir/lint/golangci"
)

func TestThePluginIsRegistered(t *testing.T) {
	newPlugin, err := register.GetPlugin("weir")
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := newPlugin(nil)
	if err != nil {
		t.Fatal(err)
	}
	analyzers, err := plugin.BuildAnalyzers()
	if err != nil || len(analyzers) != 1 || analyzers[0].Name != "weirunused" {
		t.Errorf("analyzers %v, %v", analyzers, err)
	}
	if mode := plugin.GetLoadMode(); mode != register.LoadModeTypesInfo {
		t.Errorf("load mode %q: types are needed", mode)
	}
}
