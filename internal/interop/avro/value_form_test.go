//go:build interop

package avro_test

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir/codec/avro"
)

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
		if avroName(f) == name {
			return v.FieldByIndex(f.Index)
		}
	}
	panic(name)
}
