package runtime

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

var updateSettings = flag.Bool("update-settings", false, "write the tables of docs/settings.md")

const (
	settingsPage  = "../docs/settings.md"
	settingsBegin = "<!-- The tables below are written by: go test ./runtime -run TestSettingsPage -update-settings -->\n"
)

// docs/settings.md has every field of Config and of the structs in it, with the default that New fills in and the documentation of the
// code.
func TestSettingsPageHasEveryField(t *testing.T) {
	data, err := os.ReadFile(settingsPage)
	if err != nil {
		t.Fatal(err)
	}
	intro, tables, found := strings.Cut(string(data), settingsBegin)
	if !found {
		t.Fatalf("%s has no line %q", settingsPage, settingsBegin)
	}
	want := settingsTables(t)
	if *updateSettings {
		if err := os.WriteFile(settingsPage, []byte(intro+settingsBegin+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(want, tables); diff != "" {
		t.Errorf("the tables differ from the code (-code +page); write them with -update-settings:\n%s", diff)
	}
}

// settingsTables returns a section for Config and for each struct in it.
func settingsTables(t *testing.T) string {
	structs := map[string]*ast.StructType{}
	for _, pkg := range []struct{ folder, name string }{{".", ""}, {"../kafka", "kafka."}, {"..", "weir."}} {
		files, err := filepath.Glob(filepath.Join(pkg.folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok {
					if s, ok := spec.Type.(*ast.StructType); ok {
						structs[pkg.name+spec.Name.Name] = s
					}
				}
				return true
			})
		}
	}
	atLeastOnce := settingsDefaults(t, Config{})
	exactlyOnce := settingsDefaults(t, Config{Guarantee: ExactlyOnce})
	var b strings.Builder
	done := map[string]bool{}
	var section func(name, path, pkg string)
	section = func(name, path, pkg string) {
		done[name] = true
		fmt.Fprintf(&b, "\n## %s\n\n| field | type | default | meaning |\n|---|---|---|---|\n", cmp.Or(path, "Config"))
		type inner struct{ name, path, pkg string }
		var inners []inner
		above := ""
		for _, field := range structs[name].Fields.List {
			typ := types.ExprString(field.Type)
			within := pkg + typ
			if strings.Contains(typ, ".") {
				within = typ
			}
			for _, n := range field.Names {
				if !n.IsExported() {
					continue
				}
				full := strings.TrimPrefix(path+"."+n.Name, ".")
				meaning := strings.Join(strings.Fields(field.Doc.Text()+field.Comment.Text()), " ")
				if meaning == "" { // the comment above is for several fields
					meaning = above
				}
				if above = meaning; meaning == "" {
					t.Errorf("%s has no documentation", full)
				}
				if structs[within] != nil && !done[within] {
					next := inner{within, full, ""}
					if before, _, ok := strings.Cut(within, "."); ok {
						next.pkg = before + "."
					}
					inners = append(inners, next)
				}
				fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", n.Name, strings.ReplaceAll(typ, "|", `\|`),
					settingsDefault(meaning, atLeastOnce[full], exactlyOnce[full]), strings.ReplaceAll(meaning, "|", `\|`))
			}
		}
		for _, i := range inners {
			if !done[i.name] {
				section(i.name, i.path, i.pkg)
			}
		}
	}
	section("Config", "", "")
	return b.String()
}

var statedDefault = regexp.MustCompile(`[Tt]he default is ((?:[^.;:,]|\.\w)+)`)

// settingsDefault returns the default of a field: the value that New fills in, else that of its documentation, else nothing.
func settingsDefault(meaning string, atLeastOnce, exactlyOnce any) string {
	switch stated := statedDefault.FindStringSubmatch(meaning); {
	case atLeastOnce != exactlyOnce:
		return fmt.Sprintf("`%v`, exactly once `%v`", atLeastOnce, exactlyOnce)
	case strings.Contains(meaning, "default is GOMAXPROCS"): // it depends on the machine
		return "`GOMAXPROCS`"
	case atLeastOnce != nil:
		return fmt.Sprintf("`%v`", atLeastOnce)
	case stated != nil:
		return stated[1]
	}
	return ""
}

// settingsDefaults returns the fields of a configuration that New fills in, by their paths.
func settingsDefaults(t *testing.T, c Config) map[string]any {
	c.Connection.Brokers, c.Group = []string{"localhost:9092"}, "group"
	before := c
	c, err := c.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	filled := map[string]any{}
	var walk func(path string, before, after reflect.Value)
	walk = func(path string, before, after reflect.Value) {
		for i := range after.NumField() {
			name := strings.TrimPrefix(path+"."+after.Type().Field(i).Name, ".")
			a, b := after.Field(i), before.Field(i)
			switch {
			case a.Kind() == reflect.Struct:
				walk(name, b, a)
			case a.Kind() == reflect.Int64 && a.Type() == reflect.TypeFor[time.Duration]() && a.Int() != b.Int():
				filled[name] = time.Duration(a.Int())
			case a.CanInt() && a.Int() != b.Int() && a.Int() > 0: // -1 stands for the choice of the cluster
				filled[name] = a.Int()
			case a.Kind() == reflect.String && a.String() != b.String():
				filled[name] = a.String()
			}
		}
	}
	walk("", reflect.ValueOf(before), reflect.ValueOf(c))
	return filled
}
