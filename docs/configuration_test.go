package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/runtime"
)

// fromText is the snippet of configuration.md.
func fromText() (runtime.Config, error) {
	config := runtime.Config{Group: "shop", Guarantee: runtime.ExactlyOnce} // as the program needs it
	config, err := runtime.ConfigFromFile("weir.json", config)
	if err != nil {
		return config, err
	}
	return runtime.ConfigFromEnv("SHOP_", config) // SHOP_CHECKPOINT_INTERVAL=10s
}

// The table of configuration.md is that of the code, and its file is a good one.
func TestConfigurationPageListsEachSetting(t *testing.T) {
	text, err := os.ReadFile("configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, listed, _ := strings.Cut(string(text), "| field | value |\n|---|---|---|\n")
	var table strings.Builder
	for _, v := range runtime.ConfigVariables() {
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", v.Name, v.Field, v.Kind)
	}
	if diff := cmp.Diff(table.String(), listed); diff != "" {
		t.Errorf("-runtime.ConfigVariables +configuration.md:\n%s", diff)
	}
	_, file, _ := strings.Cut(string(text), "```json\n")
	file, _, _ = strings.Cut(file, "```")
	t.Chdir(t.TempDir())
	if err := os.WriteFile(filepath.Clean("weir.json"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := fromText()
	if err != nil || config.Errors.DeadLetters.Topic != "shop-letters" || config.Group != "shop" {
		t.Errorf("%+v, %v", config, err)
	}
}
