//go:build interop

package avro_test

import (
	"math"
	"math/big"
	"slices"
	"strings"
	"time"
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
