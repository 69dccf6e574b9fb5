package engine

import "math"

// maxStride is how many records a task processes at most between two looks at how much of its state has changed.
const maxStride = 64

// dirtyBytes returns how much state has changed since the last checkpoint.
func (t *task) dirtyBytes() int64 {
	var n int64
	for i := range t.stores {
		n += t.stores[i].store.DirtyBytes()
	}
	for i := range t.unlogged {
		n += t.unlogged[i].store.DirtyBytes()
	}
	return n
}

// limitDirty lets a task change state until that of all tasks of the worker comes to CheckpointBytes. A step takes many records,
// and each may change much.
func (w *Worker) limitDirty(t *task) {
	t.overLimit, t.untilLook, t.dirtyLimit = false, t.stride, math.MaxInt64
	if len(t.stores)+len(t.unlogged) == 0 {
		t.untilLook = math.MaxInt
		return
	}
	others := int64(0)
	for _, o := range w.tasks {
		if o != t {
			others += o.dirtyBytes()
		}
	}
	t.dirtyLimit = w.config.CheckpointBytes - others
	t.dirtySeen = t.dirtyBytes()
}

// lookAtDirty reports whether so much state has changed that a checkpoint is due. It looks again soon if that grows fast.
func (t *task) lookAtDirty() bool {
	n := t.dirtyBytes()
	if (n-t.dirtySeen)*16 > t.dirtyLimit {
		t.stride = max(1, t.stride/2)
	} else {
		t.stride = min(maxStride, max(1, 2*t.stride))
	}
	t.dirtySeen, t.untilLook = n, t.stride
	t.overLimit = n >= t.dirtyLimit
	return t.overLimit
}
