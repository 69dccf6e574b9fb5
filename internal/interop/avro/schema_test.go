//go:build interop

package avro_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A node is a type of a schema.
type node struct {
	kind             string
	logical          string
	precision, scale int
	size             int
	name             string // with its namespace
	aliases          []string
	symbols          []string
	fallback         string  // the default of an enum
	item             *node   // of arrays and maps
	branches         []*node // of unions
	fields           []*field
	recursive        bool // a record that is not defined in full yet, or holds one
}

type field struct {
	name    string
	aliases []string
	node    *node
	// initial is the default value, if there is one; otherwise it is missing.
	initial any
}

// missing marks fields without a default value, and fields that a value leaves out.
type missing struct{}

// wide has a field of many Go types. Schemas use some of its fields.
type wide struct {
	Flag   bool    `avro:"flag,optional"`
	Small  int32   `avro:"small,optional"`
	Large  int64   `avro:"large,optional"`
	Number int     `avro:"number,optional"`
	Single float32 `avro:"single,optional"`
	Double float64 `avro:"double,optional"`
	Text   string  `avro:"text,optional"`
	Word   string  `avro:"word,optional"`
	Blob   []byte  `avro:"blob,optional"`
	Four   [4]byte `avro:"four,optional"`

	At      time.Time     `avro:"at,optional"`
	When    time.Time     `avro:"when,optional"`
	Span    time.Duration `avro:"span,optional"`
	Amount  *big.Rat      `avro:"amount,optional"`
	Balance *big.Rat      `avro:"balance,optional"`

	MaybeFlag   *bool          `avro:"maybeFlag,optional"`
	MaybeSmall  *int32         `avro:"maybeSmall,optional"`
	MaybeLarge  *int64         `avro:"maybeLarge,optional"`
	MaybeSingle *float32       `avro:"maybeSingle,optional"`
	MaybeDouble *float64       `avro:"maybeDouble,optional"`
	MaybeText   *string        `avro:"maybeText,optional"`
	MaybeAt     *time.Time     `avro:"maybeAt,optional"`
	MaybeSpan   *time.Duration `avro:"maybeSpan,optional"`
	MaybeFour   *[4]byte       `avro:"maybeFour,optional"`
	MaybeBlob   *[]byte        `avro:"maybeBlob,optional"`
	MaybeList   *[]int64       `avro:"maybeList,optional"`
	Next        *wide          `avro:"next,optional"`

	Flags   []bool             `avro:"flags,optional"`
	Texts   []string           `avro:"texts,optional"`
	Larges  []int64            `avro:"larges,optional"`
	Maybes  []*int64           `avro:"maybes,optional"`
	Times   []time.Time        `avro:"times,optional"`
	Amounts []*big.Rat         `avro:"amounts,optional"`
	Blobs   [][]byte           `avro:"blobs,optional"`
	Grid    [][]float64        `avro:"grid,optional"`
	Rest    []wide             `avro:"rest,optional"`
	Pages   []map[string]int32 `avro:"pages,optional"`

	ByName  map[string]int64      `avro:"byName,optional"`
	Labels  map[string]string     `avro:"labels,optional"`
	Dates   map[string]*time.Time `avro:"dates,optional"`
	Prices  map[string]*big.Rat   `avro:"prices,optional"`
	Series  map[string][]float32  `avro:"series,optional"`
	Entries map[string]wide       `avro:"entries,optional"`

	Inner inner `avro:"inner,optional"`
	Any   any   `avro:"any,optional"`
}

type inner struct {
	ID    int64     `avro:"id"`
	Name  string    `avro:"name"`
	Since time.Time `avro:"since"`
	Sum   *big.Rat  `avro:"sum"`
	Note  *string   `avro:"note"`
	Raw   []byte    `avro:"raw"`
}

var (
	ratType      = reflect.TypeFor[*big.Rat]()
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	anyType      = reflect.TypeFor[any]()
	bytesType    = reflect.TypeFor[[]byte]()
)

// A generator makes random schemas.
type generator struct {
	*rand.Rand
	names int
	// records are the ones that have been begun or made, by their Go type.
	records map[reflect.Type][]*node
	// free adds fields that no struct has.
	free bool
}

func newGenerator(seed uint64, free bool) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 16)), records: map[reflect.Type][]*node{}, free: free}
}

func (g *generator) one(in int) bool { return g.IntN(in) == 0 }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

func (g *generator) newName() string {
	g.names++
	return fmt.Sprintf("%s.N%d", pick(g, "weir", "weir.test"), g.names)
}

// record returns a record of some fields of a struct.
func (g *generator) record(t reflect.Type, depth int) *node {
	n := &node{kind: "record", name: g.newName(), recursive: true}
	g.records[t] = append(g.records[t], n)
	for f := range t.Fields() {
		if g.IntN(t.NumField()) >= 8 || depth <= 0 && f.Type == reflect.TypeFor[inner]() {
			continue
		}
		n.fields = append(n.fields, &field{name: avroName(f), node: g.of(f.Type, depth-1), initial: missing{}})
	}
	if g.free {
		for i := range g.IntN(4) {
			n.fields = append(n.fields, &field{name: fmt.Sprint("free", i), node: g.any(depth - 1), initial: missing{}})
		}
	}
	g.Shuffle(len(n.fields), func(i, j int) { n.fields[i], n.fields[j] = n.fields[j], n.fields[i] })
	for _, f := range n.fields {
		if g.one(3) && !f.node.refersBack() && javaReadsDefault(f.node) {
			f.initial = g.value(f.node, 1, true)
		}
	}
	n.recursive = slices.ContainsFunc(n.fields, func(f *field) bool { return f.node.refersBack() })
	return n
}

// refersBack reports whether values may hold a record that is not defined in full yet.
func (n *node) refersBack() bool {
	if n.kind == "record" {
		return n.recursive
	}
	return n.item != nil && n.item.refersBack() || slices.ContainsFunc(n.branches, func(b *node) bool { return b.refersBack() })
}

// javaReadsDefault is false for defaults that Avro 1.12.1 cannot read, though it accepts the schema.
func javaReadsDefault(n *node) bool {
	switch n.kind {
	case "union":
		return !slices.Contains([]string{"array", "map", "enum", "record"}, n.branches[0].kind)
	case "array", "map":
		return javaReadsDefault(n.item)
	case "record":
		return !slices.ContainsFunc(n.fields, func(f *field) bool { return !javaReadsDefault(f.node) })
	}
	return true
}

// of returns a type for values of a Go type.
func (g *generator) of(t reflect.Type, depth int) *node {
	switch {
	case t == ratType:
		n := g.decimal()
		if g.one(2) {
			return g.nullable(n)
		}
		return n
	case t == timeType:
		return pick(g,
			&node{kind: "int", logical: "date"}, &node{kind: "long", logical: "timestamp-millis"}, &node{kind: "long", logical: "timestamp-micros"},
			&node{kind: "long", logical: "local-timestamp-millis"}, &node{kind: "long", logical: "local-timestamp-micros"})
	case t == durationType:
		return pick(g, &node{kind: "int", logical: "time-millis"}, &node{kind: "long", logical: "time-micros"})
	case t == bytesType:
		return &node{kind: "bytes"}
	case t == anyType:
		return g.scalars()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.nullable(g.of(t.Elem(), depth))
	case reflect.Slice:
		return &node{kind: "array", item: g.of(t.Elem(), depth)}
	case reflect.Map:
		return &node{kind: "map", item: g.of(t.Elem(), depth)}
	case reflect.Struct:
		if known := g.records[t]; len(known) > 0 && (t != reflect.TypeFor[inner]() && (depth <= 0 || g.one(2)) || g.one(3)) {
			return pick(g, known...)
		}
		return g.record(t, depth)
	case reflect.Array:
		return &node{kind: "fixed", name: g.newName(), size: t.Len()}
	case reflect.Bool:
		return &node{kind: "boolean"}
	case reflect.Int32:
		return &node{kind: "int"}
	case reflect.Int64:
		return &node{kind: "long"}
	case reflect.Int:
		return &node{kind: pick(g, "int", "long")}
	case reflect.Float32:
		return &node{kind: "float"}
	case reflect.Float64:
		return &node{kind: "double"}
	case reflect.String:
		switch g.IntN(4) {
		case 0:
			return g.enum()
		case 1:
			return &node{kind: "string", logical: "uuid"}
		}
		return &node{kind: "string"}
	}
	panic(t)
}

func (g *generator) enum() *node {
	n := &node{kind: "enum", name: g.newName(), symbols: []string{"A", "B", "C", "D"}[:1+g.IntN(4)]}
	if g.one(2) {
		n.fallback = pick(g, n.symbols...)
	}
	return n
}

func (g *generator) decimal() *node {
	n := &node{kind: "bytes", logical: "decimal", precision: 1 + g.IntN(20)}
	if g.one(2) {
		n.kind, n.name, n.size = "fixed", g.newName(), 1+g.IntN(10)
		limit := new(big.Int).Lsh(big.NewInt(1), uint(8*n.size-1)) // the greatest number has fewer digits than this
		n.precision = 1 + g.IntN(len(limit.String())-1)
	}
	n.scale = g.IntN(n.precision + 1)
	return n
}

func (g *generator) nullable(n *node) *node {
	branches := []*node{{kind: "null"}, n}
	if g.one(2) {
		slices.Reverse(branches)
	}
	return &node{kind: "union", branches: branches}
}

// scalars returns a union whose values an interface holds.
func (g *generator) scalars() *node {
	branches := []*node{
		{kind: "null"}, {kind: "boolean"}, {kind: "int"}, {kind: "long"}, {kind: "float"}, {kind: "double"}, {kind: "string"}, {kind: "bytes"},
	}
	g.Shuffle(len(branches), func(i, j int) { branches[i], branches[j] = branches[j], branches[i] })
	return &node{kind: "union", branches: branches[:2+g.IntN(len(branches)-2)]}
}

// any returns any type.
func (g *generator) any(depth int) *node {
	if depth > 0 {
		switch g.IntN(5) {
		case 0:
			return &node{kind: "array", item: g.any(depth - 1)}
		case 1:
			return &node{kind: "map", item: g.any(depth - 1)}
		case 2:
			return g.record(reflect.TypeFor[inner](), depth-1)
		case 3:
			return g.union(depth - 1)
		}
	}
	return g.of(pick(g,
		reflect.TypeFor[bool](), reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
		reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[[3]byte](), timeType, durationType,
	), 0)
}

// union returns a union of types that differ in their names, or in their kinds.
func (g *generator) union(depth int) *node {
	u := &node{kind: "union"}
	seen := map[string]bool{}
	for range 2 + g.IntN(4) {
		n := g.any(depth)
		if g.one(4) {
			n = &node{kind: "null"}
		}
		name := n.branch()
		if strings.HasPrefix(n.logical, "time-") {
			name = "time" // Java chooses the branch by the class
		}
		if n.kind == "union" || seen[name] || seen[n.branch()] {
			continue
		}
		seen[name], seen[n.branch()] = true, true
		u.branches = append(u.branches, n)
	}
	if len(u.branches) == 0 {
		u.branches = []*node{{kind: "null"}, {kind: "string"}}
	}
	return u
}

// branch returns the name of the type in a union.
func (n *node) branch() string {
	if n.name != "" {
		return n.name
	}
	return n.kind
}

// text returns the schema for encoding/json. The names in seen are defined already.
func (n *node) text(seen map[string]bool) any {
	if n.name != "" && seen[n.name] {
		return n.name
	}
	out := map[string]any{"type": n.kind}
	if n.name != "" {
		seen[n.name] = true
		out["name"] = n.name
		if len(n.aliases) > 0 {
			out["aliases"] = n.aliases
		}
	}
	if n.logical != "" {
		out["logicalType"] = n.logical
	}
	if n.logical == "decimal" {
		out["precision"], out["scale"] = n.precision, n.scale
	}
	switch n.kind {
	case "fixed":
		out["size"] = n.size
	case "enum":
		out["symbols"] = n.symbols
		if n.fallback != "" {
			out["default"] = n.fallback
		}
	case "array":
		out["items"] = n.item.text(seen)
	case "map":
		out["values"] = n.item.text(seen)
	case "union":
		branches := []any{}
		for _, b := range n.branches {
			branches = append(branches, b.text(seen))
		}
		return branches
	case "record":
		fields := []any{}
		for _, f := range n.fields {
			field := map[string]any{"name": f.name, "type": f.node.text(seen)}
			if f.initial != (missing{}) {
				field["default"] = defaultText(f.node, f.initial)
			}
			if len(f.aliases) > 0 {
				field["aliases"] = f.aliases
			}
			fields = append(fields, field)
		}
		out["fields"] = fields
	}
	if len(out) == 1 {
		return n.kind
	}
	return out
}

// avroName returns the name of a struct's field in schemas.
func avroName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("avro"), ",")
	return name
}
