package stores

import "math"

// maxStride is how many records a task processes at most between two looks at how much of its state has changed.
const maxStride = 64

// limit bounds how much state changes between checkpoints. A step takes many records, and each may change much.
type limit struct {
	// most is how many bytes of state may change before the task processes no more records until the next
	// checkpoint. over is set when it has come to that.
	most int64
	over bool
	// stride is how many records the task processes between two looks at DirtyBytes, untilLook the number left, and seen
	// the result of the last look.
	stride, untilLook int
	seen              int64
}

var noLimit = limit{most: math.MaxInt64}

// DirtyBytes returns how much state has changed since the last checkpoint.
func (s *Set) DirtyBytes() int64 {
	var n int64
	for i := range s.logged {
		n += s.logged[i].store.DirtyBytes()
	}
	for i := range s.unlogged {
		n += s.unlogged[i].store.DirtyBytes()
	}
	return n
}

// Limit lets state change until most bytes of it have changed.
func (s *Set) Limit(most int64) {
	l := &s.limit
	l.over, l.untilLook, l.most = false, l.stride, math.MaxInt64
	if !s.Any() {
		l.untilLook = math.MaxInt
		return
	}
	l.most = most
	l.seen = s.DirtyBytes()
}

// Over reports whether so much state has changed that a checkpoint is due.
func (s *Set) Over() bool { return s.limit.over }

// Processed notes a record, and reports whether so much state has changed that a checkpoint is due. It looks at times only.
func (s *Set) Processed() (over bool) {
	s.limit.untilLook--
	return s.limit.untilLook <= 0 && s.look()
}

// look looks again soon if the changed state grows fast.
func (s *Set) look() (over bool) {
	l, n := &s.limit, s.DirtyBytes()
	if (n-l.seen)*16 > l.most {
		l.stride = max(1, l.stride/2)
	} else {
		l.stride = min(maxStride, max(1, 2*l.stride))
	}
	l.seen, l.untilLook = n, l.stride
	l.over = n >= l.most
	return l.over
}
