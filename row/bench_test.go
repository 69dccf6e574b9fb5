package row_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/bytedance/sonic/ast"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
)

// reading is a record as devices send them.
const reading = `{"sensor":"boiler-7","site":"north","temperature":81.25,"pressure":1013,"ok":true,"unit":"C","seq":123456789,"tags":["a","b"]}`

// BenchmarkDecode is why rows are ordered slices with a decoder of their own: against a map of the same JSON, decoded by
// sonic, and against sonic's visitor, which would keep the order but has to be told what to build.
func BenchmarkDecode(b *testing.B) {
	data := []byte(reading)
	b.Run("row", func(b *testing.B) { benchmarkDecode(b, row.JSON(), data) })
	b.Run("map by sonic", func(b *testing.B) { benchmarkDecode(b, codec.JSON[map[string]any](), data) })
	b.Run("visitor of sonic that builds nothing", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := ast.Preorder(string(data), nothing{}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmarkDecode[T any](b *testing.B, c codec.Codec[T], data []byte) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Decode(nil, data); err != nil {
			b.Fatal(err)
		}
	}
}

type nothing struct{}

func (nothing) OnNull() error                        { return nil }
func (nothing) OnBool(bool) error                    { return nil }
func (nothing) OnString(string) error                { return nil }
func (nothing) OnInt64(int64, json.Number) error     { return nil }
func (nothing) OnFloat64(float64, json.Number) error { return nil }
func (nothing) OnObjectBegin(int) error              { return nil }
func (nothing) OnObjectKey(string) error             { return nil }
func (nothing) OnObjectEnd() error                   { return nil }
func (nothing) OnArrayBegin(int) error               { return nil }
func (nothing) OnArrayEnd() error                    { return nil }

func BenchmarkEncode(b *testing.B) {
	r := parse(b, reading)
	m, err := codec.JSON[map[string]any]().Decode(nil, []byte(reading))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("row", func(b *testing.B) { benchmarkEncode(b, row.JSON(), r) })
	b.Run("map by sonic", func(b *testing.B) { benchmarkEncode(b, codec.JSON[map[string]any](), m) })
}

func benchmarkEncode[T any](b *testing.B, c codec.Codec[T], v T) {
	b.ReportAllocs()
	var buffer []byte
	for b.Loop() {
		var err error
		if buffer, err = c.Append(buffer[:0], nil, v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookup reads the last of the columns.
func BenchmarkLookup(b *testing.B) {
	r := parse(b, reading)
	m := map[string]any{}
	if err := json.Unmarshal([]byte(reading), &m); err != nil {
		b.Fatal(err)
	}
	b.Run("row", func(b *testing.B) {
		for b.Loop() {
			if _, ok := r.Lookup("seq"); !ok {
				b.Fatal("missing")
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		for b.Loop() {
			if _, ok := m["seq"]; !ok {
				b.Fatal("missing")
			}
		}
	})
}

// BenchmarkChange changes a row that others may still hold.
func BenchmarkChange(b *testing.B) {
	r := parse(b, reading)
	m := map[string]any{}
	if err := json.Unmarshal([]byte(reading), &m); err != nil {
		b.Fatal(err)
	}
	for name, change := range map[string]row.Change{
		"select": row.Select("sensor", "temperature"),
		"drop":   row.Drop("tags", "site"),
		"fill":   row.Fill(row.F("unit", "C"), row.F("load", 0)),
		"rename": row.Rename("temperature", "t"),
		"assign": row.Assign("fahrenheit", row.Col("temperature").Mul(1.8).Add(32)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := change(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("assign to a clone of a map", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := maps.Clone(m)
			c["fahrenheit"] = c["temperature"].(float64)*1.8 + 32
		}
	})
}

var expressions = map[string]row.Expr{
	"arithmetic": row.Col("temperature").Mul(1.8).Add(32),
	"condition":  row.Col("temperature").Gt(30).And(row.Col("unit").Eq("C")).And(row.Col("ok")),
	"in":         row.Col("site").In("south", "north"),
	"contains":   row.Col("tags").Contains("b"),
	"nested":     row.Col("tags").Index(0).Eq("a"),
	"fill":       row.Col("load").Fill(0).Add(1),
	"apply":      row.Col("sensor").Apply(func(s string) bool { return strings.HasPrefix(s, "boiler") }),
}

func TestExpressionsDoNotAllocate(t *testing.T) {
	r := parse(t, reading)
	ctx := t.Context()
	for name, e := range expressions {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := e.Eval(ctx, r); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	condition := row.Where(expressions["condition"])
	if n := testing.AllocsPerRun(100, func() { _, _ = condition(ctx, r) }); n != 0 {
		t.Errorf("where: %v allocations", n)
	}
	change := row.Assign("f", expressions["arithmetic"])
	if n := testing.AllocsPerRun(100, func() { _, _ = change(ctx, r) }); n != 1 {
		t.Errorf("assign: %v allocations, want that of the new row", n)
	}
}

// BenchmarkExpression evaluates expressions, and one as a plain function of a struct would.
func BenchmarkExpression(b *testing.B) {
	r := parse(b, reading)
	ctx := b.Context()
	for name, e := range expressions {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval(ctx, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("condition by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t, _ := r.Lookup("temperature")
			f, err := row.As[float64](t)
			if err != nil || f <= 30 {
				b.Fatal(err)
			}
			if unit, err := r.Get[string]("unit"); err != nil || unit != "C" {
				b.Fatal(err)
			}
			if ok, err := r.Get[bool]("ok"); err != nil || !ok {
				b.Fatal(err)
			}
		}
	})
}
