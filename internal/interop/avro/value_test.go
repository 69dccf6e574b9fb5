//go:build interop

package avro_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/codec/avro"
)

// Values are those of Weir's generic codec, but for unions, whose values are choices, and for fields that are left out.
type choice struct {
	branch int
	value  any
}

var (
	ints    = []int32{0, 1, -1, 63, 64, -64, -65, math.MaxInt32, math.MinInt32}
	longs   = []int64{0, 1, -1, 1 << 53, 1<<53 + 1, -1<<53 - 1, math.MaxInt64, math.MinInt64}
	floats  = []float32{0, float32(math.Copysign(0, -1)), 1.5, -1, math.MaxFloat32, math.SmallestNonzeroFloat32, 1e-7}
	doubles = []float64{0, math.Copysign(0, -1), 1.5, -1, math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-7, 0.1}
)

// value returns a random value. A plain one can be a default value; others may not fit their type.
func (g *generator) value(n *node, depth int, plain bool) any {
	length := 0
	if depth > 0 {
		length = g.IntN(4)
	}
	switch n.logical {
	case "decimal":
		return g.number(n, plain)
	case "date", "timestamp-millis", "timestamp-micros", "local-timestamp-millis", "local-timestamp-micros":
		return g.time(n, plain)
	case "time-millis":
		return time.Duration(g.IntN(86_400_000)) * time.Millisecond
	case "time-micros":
		return time.Duration(g.Int64N(86_400_000_000)) * time.Microsecond
	}
	switch n.kind {
	case "null":
		return nil
	case "boolean":
		return g.one(2)
	case "int":
		return pick(g, pick(g, ints...), int32(g.Uint32()))
	case "long":
		return pick(g, pick(g, longs...), int64(g.Uint64()))
	case "float":
		if !plain && g.one(8) {
			return pick(g, math.Float32frombits(0x7fc00000), float32(math.Inf(1)), float32(math.Inf(-1)))
		}
		return pick(g, pick(g, floats...), g.Float32())
	case "double":
		if !plain && g.one(8) {
			return pick(g, math.Float64frombits(0x7ff8000000000000), math.Inf(1), math.Inf(-1))
		}
		return pick(g, pick(g, doubles...), g.NormFloat64())
	case "string":
		return g.text()
	case "enum":
		return pick(g, n.symbols...)
	case "bytes", "fixed":
		size := n.size
		if n.kind == "bytes" {
			size = g.IntN(5)
		}
		b := make([]byte, size)
		for i := range b {
			b[i] = pick(g, byte(g.Uint32()), 0, 0x7f, 0x80, 0xff)
		}
		return b
	case "array":
		out := []any{}
		for range length {
			out = append(out, g.value(n.item, depth-1, plain))
		}
		return out
	case "map":
		out := map[string]any{}
		for range length {
			out[g.text()] = g.value(n.item, depth-1, plain)
		}
		return out
	case "union":
		branch := g.IntN(len(n.branches))
		if plain {
			branch = 0 // the only one that a default value has for certain
		} else if null := slices.IndexFunc(n.branches, func(b *node) bool { return b.kind == "null" }); depth <= 0 && null >= 0 {
			branch = null
		}
		return choice{branch, g.value(n.branches[branch], depth-1, plain)}
	case "record":
		out := map[string]any{}
		for _, f := range n.fields {
			if g.free && !plain && f.initial != (missing{}) && g.one(4) {
				out[f.name] = missing{}
				continue
			}
			out[f.name] = g.value(f.node, depth-1, plain)
		}
		return out
	}
	panic(n.kind)
}

func (g *generator) text() string {
	var b strings.Builder
	for range g.IntN(4) {
		b.WriteRune(pick(g, 'a', 'b', 'é', 'ÿ', '日', '🙂', '\x00', '"'))
	}
	return b.String()
}

func (g *generator) time(n *node, plain bool) time.Time {
	at := time.UnixMicro(pick(g, g.Int64N(2e17)-6e16, g.Int64N(4e11)-2e11)).UTC() // years 68 to 6000
	unit := map[string]time.Duration{"date": 24 * time.Hour, "timestamp-millis": time.Millisecond, "local-timestamp-millis": time.Millisecond}[n.logical]
	if plain || g.one(2) {
		if unit == 0 {
			unit = time.Microsecond
		}
		return at.Truncate(unit)
	}
	at = at.Add(time.Duration(g.IntN(1000)))
	if g.one(2) {
		at = at.In(time.FixedZone("", pick(g, 3600, -12*3600, 20700)))
	}
	return at
}

// number returns a decimal, one in 40 with too many digits.
func (g *generator) number(n *node, plain bool) *big.Rat {
	digits := 1 + g.IntN(n.precision)
	scale := g.IntN(n.scale + 1)
	if !plain && g.one(40) {
		digits, scale = digits+pick(g, 0, n.precision), scale+pick(g, 0, n.scale+1)
	}
	unscaled := new(big.Int)
	for range digits {
		unscaled.Mul(unscaled, big.NewInt(10)).Add(unscaled, big.NewInt(int64(pick(g, g.IntN(10), 9, 0))))
	}
	if g.one(2) {
		unscaled.Neg(unscaled)
	}
	if g.one(4) {
		unscaled, scale = big.NewInt(pick[int64](g, -128, 127, 128, -129, -1, 0, 255, 256, -256)), n.scale
	}
	limit := tenTo(n.precision)
	if plain && new(big.Int).Mul(unscaled, tenTo(n.scale-scale)).CmpAbs(limit) >= 0 {
		unscaled = new(big.Int)
	}
	return new(big.Rat).SetFrac(unscaled, tenTo(scale))
}

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// defaultText returns a default value for encoding/json.
func defaultText(n *node, v any) any {
	switch v := v.(type) {
	case choice:
		return defaultText(n.branches[v.branch], v.value)
	case float32:
		return withPoint(float64(v))
	case float64:
		return withPoint(v)
	case []byte:
		return latin1(v)
	case *big.Rat:
		unscaled := new(big.Rat).Mul(v, new(big.Rat).SetInt(tenTo(n.scale))).Num()
		size := n.size
		if size == 0 {
			size = new(big.Int).Xor(unscaled, big.NewInt(int64(min(unscaled.Sign(), 0)))).BitLen()/8 + 1
		}
		modulus := new(big.Int).Lsh(big.NewInt(1), uint(8*size))
		return latin1(new(big.Int).Mod(unscaled, modulus).FillBytes(make([]byte, size)))
	case time.Time:
		switch n.logical {
		case "date":
			return v.Unix() / 86400 // whole days
		case "timestamp-millis", "local-timestamp-millis":
			return v.UnixMilli()
		}
		return v.UnixMicro()
	case time.Duration:
		if n.logical == "time-millis" {
			return v.Milliseconds()
		}
		return v.Microseconds()
	case []any:
		out := []any{}
		for _, item := range v {
			out = append(out, defaultText(n.item, item))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		if n.kind == "map" {
			for k, item := range v {
				out[k] = defaultText(n.item, item)
			}
			return out
		}
		for _, f := range n.fields {
			out[f.name] = defaultText(f.node, v[f.name])
		}
		return out
	}
	return v
}

// withPoint returns a number that Java does not take for an integer, which has no negative zero.
func withPoint(v float64) any {
	if v == 0 && math.Signbit(v) {
		return json.RawMessage("-0.0")
	}
	return v
}

func latin1(b []byte) string {
	out := make([]rune, len(b))
	for i := range b {
		out[i] = rune(b[i])
	}
	return string(out)
}

// forJava returns a value as Difference.java expects it.
func forJava(n *node, v any) any {
	switch v := v.(type) {
	case choice:
		return []any{v.branch, forJava(n.branches[v.branch], v.value)}
	case float32:
		return math.Float32bits(v)
	case float64:
		return strconv.FormatUint(math.Float64bits(v), 16)
	case []byte:
		return hex.EncodeToString(v)
	case *big.Rat:
		places := 0
		for !new(big.Rat).Mul(v, new(big.Rat).SetInt(tenTo(places))).IsInt() {
			places++
		}
		return v.FloatString(places)
	case time.Time:
		if strings.HasPrefix(n.logical, "local-") { // the time of day counts
			_, offset := v.Zone()
			v = v.Add(time.Duration(offset) * time.Second)
		}
		return v.UTC().Format(time.RFC3339Nano)
	case time.Duration:
		return v.Nanoseconds()
	case []any:
		out := []any{}
		for _, item := range v {
			out = append(out, forJava(n.item, item))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		if n.kind == "map" {
			for k, item := range v {
				out[k] = forJava(n.item, item)
			}
			return out
		}
		for _, f := range n.fields {
			item := v[f.name]
			if item == (missing{}) {
				item = f.initial
			}
			out[f.name] = forJava(f.node, item)
		}
		return out
	}
	return v
}

// forGeneric returns a value for the generic codec. Values of unions of a null and another type stand alone.
func forGeneric(n *node, v any) any {
	switch v := v.(type) {
	case choice:
		branch := n.branches[v.branch]
		inner := forGeneric(branch, v.value)
		if inner == nil || len(n.branches) == 2 && slices.ContainsFunc(n.branches, func(b *node) bool { return b.kind == "null" }) {
			return inner
		}
		return avro.Branch{Name: branch.branch(), Value: inner}
	case []any:
		out := []any{}
		for _, item := range v {
			out = append(out, forGeneric(n.item, item))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		if n.kind == "map" {
			for k, item := range v {
				out[k] = forGeneric(n.item, item)
			}
			return out
		}
		for _, f := range n.fields {
			if item := v[f.name]; item != (missing{}) {
				out[f.name] = forGeneric(f.node, item)
			}
		}
		return out
	}
	return v
}

// forTyped sets a Go value.
func forTyped(n *node, v any, to reflect.Value) {
	switch v := v.(type) {
	case nil:
		to.SetZero()
	case choice:
		branch := n.branches[v.branch]
		switch {
		case v.value == nil:
			to.SetZero()
		case to.Kind() == reflect.Interface:
			if i, ok := v.value.(int32); ok {
				v.value = int(i)
			}
			to.Set(reflect.ValueOf(v.value))
		case to.Type() == ratType:
			forTyped(branch, v.value, to)
		default:
			to.Set(reflect.New(to.Type().Elem()))
			forTyped(branch, v.value, to.Elem())
		}
	case []byte:
		if to.Kind() == reflect.Array {
			reflect.Copy(to, reflect.ValueOf(v))
		} else {
			to.SetBytes(v)
		}
	case []any:
		to.Set(reflect.MakeSlice(to.Type(), len(v), len(v)))
		for i := range v {
			forTyped(n.item, v[i], to.Index(i))
		}
	case map[string]any:
		if n.kind == "map" {
			to.Set(reflect.MakeMap(to.Type()))
			for k, item := range v {
				element := reflect.New(to.Type().Elem()).Elem()
				forTyped(n.item, item, element)
				to.SetMapIndex(reflect.ValueOf(k), element)
			}
			return
		}
		for _, f := range n.fields {
			forTyped(f.node, v[f.name], fieldOf(to, f.name))
		}
	default:
		to.Set(reflect.ValueOf(v).Convert(to.Type()))
	}
}

// fieldOf returns the field of a struct for a name in a schema.
func fieldOf(v reflect.Value, name string) reflect.Value {
	for f := range v.Type().Fields() {
		if f.Tag.Get("avro") == name {
			return v.FieldByIndex(f.Index)
		}
	}
	panic(name)
}

// hasOneOrder reports whether a value has one encoding: the entries of maps have no order.
func hasOneOrder(n *node, v any) bool {
	switch v := v.(type) {
	case choice:
		return hasOneOrder(n.branches[v.branch], v.value)
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !hasOneOrder(n.item, item) })
	case map[string]any:
		if n.kind == "map" {
			for _, item := range v {
				return len(v) == 1 && hasOneOrder(n.item, item)
			}
			return true
		}
		for _, f := range n.fields {
			item := v[f.name]
			if item == (missing{}) {
				item = f.initial
			}
			if !hasOneOrder(f.node, item) {
				return false
			}
		}
	}
	return true
}

// show returns a decoded value in the form that Difference.java answers with.
func show(v reflect.Value) any {
	switch {
	case !v.IsValid():
		return nil
	case v.Type() == ratType:
		if v.IsNil() {
			return nil
		}
		return "R" + v.Interface().(*big.Rat).RatString()
	case v.Type() == timeType:
		at := v.Interface().(time.Time)
		return fmt.Sprintf("T%d.%d", at.Unix(), at.Nanosecond())
	case v.Type() == durationType:
		return fmt.Sprint("P", v.Int())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		return "b" + hex.EncodeToString(v.Bytes())
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return show(v.Elem())
	case reflect.Bool:
		return v.Bool()
	case reflect.Int32:
		return fmt.Sprint("i", v.Int())
	case reflect.Int64, reflect.Int:
		return fmt.Sprint("l", v.Int())
	case reflect.Float32:
		return fmt.Sprintf("f%x", math.Float32bits(float32(v.Float())))
	case reflect.Float64:
		return fmt.Sprintf("d%x", math.Float64bits(v.Float()))
	case reflect.String:
		return "s" + v.String()
	case reflect.Array:
		return fmt.Sprintf("b%x", v.Interface())
	case reflect.Slice:
		out := []any{}
		for i := range v.Len() {
			out = append(out, show(v.Index(i)))
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for entry := v.MapRange(); entry.Next(); {
			out[entry.Key().String()] = show(entry.Value())
		}
		return out
	}
	panic(v.Type())
}

// showStruct is show for structs, whose fields the schema may not have all.
func showStruct(n *node, v reflect.Value) any {
	if n.kind == "union" { // of null and another type, or of scalars
		for v.Kind() == reflect.Pointer && v.Type() != ratType {
			if v = v.Elem(); !v.IsValid() {
				return nil
			}
		}
		for _, branch := range n.branches {
			if branch.kind != "null" && v.Kind() != reflect.Interface {
				return showStruct(branch, v)
			}
		}
	}
	switch n.kind {
	case "record":
		out := map[string]any{}
		for _, f := range n.fields {
			out[f.name] = showStruct(f.node, fieldOf(v, f.name))
		}
		return out
	case "array":
		out := []any{}
		for i := range v.Len() {
			out = append(out, showStruct(n.item, v.Index(i)))
		}
		return out
	case "map":
		out := map[string]any{}
		for entry := v.MapRange(); entry.Next(); {
			out[entry.Key().String()] = showStruct(n.item, entry.Value())
		}
		return out
	}
	return show(v)
}

// untag takes the names of branches away.
func untag(n *node, v any) any {
	switch n.kind {
	case "union":
		for name, inner := range asMap(v) {
			for _, branch := range n.branches {
				if branch.branch() == name {
					return untag(branch, inner)
				}
			}
		}
	case "record":
		for _, f := range n.fields {
			asMap(v)[f.name] = untag(f.node, asMap(v)[f.name])
		}
	case "array":
		for i := range v.([]any) {
			v.([]any)[i] = untag(n.item, v.([]any)[i])
		}
	case "map":
		for k := range asMap(v) {
			asMap(v)[k] = untag(n.item, asMap(v)[k])
		}
	}
	return v
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// wideIntegers makes no difference between int and long, as fields of Go's int do not.
func wideIntegers(v any) any {
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, "i") {
			return "l" + v[1:]
		}
	case []any:
		for i := range v {
			v[i] = wideIntegers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = wideIntegers(v[k])
		}
	}
	return v
}
