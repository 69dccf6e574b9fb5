package row

import "github.com/weirstreams/weir/internal/measure"

// Rows are held in caches and batches whose memory is bounded. Their values refer to memory by an unsafe.Pointer.
func init() {
	var lists measure.Measurer[[]Value]
	var rows measure.Measurer[[]Field]
	measure.Register(func(v *Value, depth int) int {
		switch v.kind {
		case KindString, KindBig:
			return int(v.n)
		case KindList:
			items := v.list()
			return lists.BytesWithin(&items, depth)
		case KindRow:
			fields := v.row().fields
			return rows.BytesWithin(&fields, depth)
		}
		return 0
	})
	lists, rows = measure.Of[[]Value](), measure.Of[[]Field]()
}
