package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirstreams/weir/row"
)

// L-41: what paths find, in the order of the text.
func TestPaths(t *testing.T) {
	const content = `{"a":1,"b":{"a":[2,{"a":"x"}],"c":null},"big":123456789012345678901234567890,"list":[{"n":1,"v":"p"},{"n":2,"v":"q"},{"n":3}]}`
	for path, want := range map[string]string{
		"$":                       "[" + content + "]",
		"$.a":                     `[1]`,
		"$['a']":                  `[1]`,
		"$.b.a[0]":                `[2]`,
		"$.b.a[-1].a":             `["x"]`,
		"$.b.c":                   `[null]`,
		"$.none":                  `[]`,
		"$.a.none":                `[]`,
		"$..a":                    `[1,[2,{"a":"x"}],"x"]`,
		"$.big":                   `[123456789012345678901234567890]`,
		"$.list[*].n":             `[1,2,3]`,
		"$.list[0:2].v":           `["p","q"]`,
		"$.list[?(@.n > 1)].n":    `[2,3]`,
		"$.list[?(@.v=='q')].n":   `[2]`,
		"$..[?(@.v=='$')].n":      `[]`,
		"$.list[?(@.v)].n":        `[1,2]`,
		"$.list[?(@.n == $.a)]":   `[{"n":1,"v":"p"}]`,
		"$[?(@.a[*].a == 'x')].c": `[null]`,
		"$[?(@[*].n == 2 && @[*].v == 'p')][0].v": `["p"]`,
		"$[?(@[?(@.n > 2)])][2].n":                `[3]`,
	} {
		p, err := parsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		v, err := newLoaded([]byte(content)).value()
		if err != nil {
			t.Fatal(err)
		}
		found, err := p.find(v, len(content))
		if got := fmt.Sprint(row.List(found...)); err != nil || got != want {
			t.Errorf("%s: got  %s, %v\nwant %s", path, got, err, want)
		}
	}
	for _, bad := range []string{
		"", "$[", "$.a..", "$..[?(@.a == $.b)]", "$..[?($.b)]", "$.a[?(@[*] == $[*])]", "[?($[*] == 1 && $[*] == 2)]", "$[?(@[?(@[*] == @..a)])]", "$[?(@.a[?(@[*] == @..a)] == 1)]",
	} {
		if _, err := parsePath(bad); err == nil || !strings.Contains(err.Error(), "path") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Paths that lead to the same places over and over, and content that is large, cost a bounded time.
func TestPathsThatLeadToTooManyPlaces(t *testing.T) {
	deep := strings.Repeat("[", 200) + "1" + strings.Repeat("]", 200)
	wide := "[" + strings.Repeat("[1,2],", 2000) + "3]"
	for path, content := range map[string]string{
		"$..*..*..*..*..*..*..*":                  deep,
		"$" + strings.Repeat("[0,0]", 60):         deep,
		"$[?(@..*..*..*..*..*..*)]":               deep,
		"$[?(@[*][*] == @[*][*])]":                "[" + wide + "]",
		"$.a[0][?(@[*] == 1 && @[*] == 3)]":       `{"a":[[` + wide + `]]}`,
		"$..[?(@[*][0] == 7 && @[*][1] == 8)]..*": "[" + wide + "]",
		"$[?($..* == 7)]":                         wide,
	} {
		p, err := parsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		l := newLoaded([]byte(content))
		v, err := l.value()
		if err != nil {
			t.Fatal(err)
		}
		if found, err := p.find(v, len(content)); !errors.Is(err, errTooMuchWork) || !errors.Is(err, ErrContent) {
			t.Errorf("%s: found %d, %v", path, len(found), err)
		}
	}
	const n = 20_000
	columns, list := strings.Builder{}, strings.Builder{}
	for i := range n {
		fmt.Fprintf(&columns, `,"%d":{"a":%d}`, i, i)
		fmt.Fprintf(&list, `,{"a":%d}`, i)
	}
	for path, want := range map[string]int{"$[*].a": n, "$..a": n, "$..[?(@.a >= 10)].a": n - 10, "$..*": 2 * n, "$[?(@.a == 5 && @[*] == 5 && @..a == 5)]": 1} {
		for _, content := range []string{"{" + columns.String()[1:] + "}", "[" + list.String()[1:] + "]"} {
			p, err := parsePath(path)
			if err != nil {
				t.Fatal(err)
			}
			v, err := newLoaded([]byte(content)).value()
			if err != nil {
				t.Fatal(err)
			}
			if found, err := p.find(v, len(content)); err != nil || len(found) != want {
				t.Errorf("%s: found %d, %v, want %d", path, len(found), err, want)
			}
		}
	}

	// Columns of a large object are not searched one after the other again and again.
	v, err := newLoaded([]byte("{" + columns.String()[1:] + "}")).value()
	if err != nil {
		t.Fatal(err)
	}
	o := (&work{left: workBase}).node(v).(object)
	for _, key := range o.Keys()[:2] {
		if _, ok := o.ValueForKey(key); !ok {
			t.Errorf("there is no %q", key)
		}
	}
	if len(o.wide.index) != n {
		t.Errorf("%d of %d columns are in the index", len(o.wide.index), n)
	}
}

func FuzzPath(f *testing.F) {
	f.Add("$.a[0]..b", `{"a":[{"b":1}]}`)
	f.Add("$..*", `[[1],{"a":null}]`)
	f.Add("$[?(@.a > 1)].b", `[{"a":2,"b":3}]`)
	f.Fuzz(func(t *testing.T, path, content string) {
		p, err := parsePath(path)
		if err != nil {
			return
		}
		v, err := newLoaded([]byte(content)).value()
		if err != nil {
			return
		}
		_, _ = p.find(v, len(content)) // must not panic, and has to end
	})
}
