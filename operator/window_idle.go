package operator

import (
	"container/heap"
	"math"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/state"
)

// closer closes the windows of a kind without records.
type closer[K, A any] interface {
	// nextClose returns the time at which a window of a key closes that has not closed at reached, or math.MaxInt64.
	nextClose(k *state.Windows[A], reached int64) int64
	// closeIdle closes the windows of the current key that time passes on its way from before to reached.
	closeIdle(key K, k *state.Windows[A], before, reached int64) error
	// closePartition closes the windows of all keys up to a time, if they close by partition.
	closePartition(origin *weir.Origin, reached int64) error
}

// advance closes windows up to a time that is reached without records, in the order of the times at which they close: the operators
// behind see the results of all keys in that order, as it does when the partition closes them. By key, all keys are
// looked at; that happens only if one of them may have something to close.
func (w *windows[K, V, A, R]) advance(millis int64) error {
	w.env.Enter(w.node)
	if err := w.loadPace(); err != nil {
		return err
	}
	if millis > w.pace.millis {
		if err := w.movePace(millis); err != nil {
			return err
		}
	}
	watermark, err := w.store.Watermark()
	if err != nil {
		return Fatal(err)
	}
	if millis <= watermark || millis < w.idleFrom {
		return nil
	}
	closings := w.closings
	if w.byPartition {
		err := w.closer.closePartition(&w.env.Origin, millis)
		w.advanced(millis, closings)
		return err
	}
	keys, err := w.store.Keys()
	if err != nil {
		return Fatal(err)
	}
	next, err := w.closeInOrder(keys, func(k *state.Windows[A]) (from, to int64) {
		return max(watermark, w.pace.bound(k.Latest)), millis
	}, nil)
	w.advanced(millis, closings)
	w.idleFrom = next
	return err
}

// silent is advance while other keys have records. It looks at the keys only if a window is old enough.
func (w *windows[K, V, A, R]) silent(millis int64) error {
	if millis < w.idleFrom {
		return nil
	}
	w.env.Enter(w.node)
	oldest, err := w.oldestOpen()
	if err != nil || oldest > millis-w.shortest {
		return err
	}
	return w.advance(millis)
}

// closeInOrder closes the windows of keys in the order of the times at which they close. span returns the time up to which those of
// a key are closed, and up to which they are to close. next is the time at which the next of them closes; rest, if it is not nil,
// is told that of each key.
func (w *windows[K, V, A, R]) closeInOrder(
	keys []string, span func(*state.Windows[A]) (from, to int64), rest func(key string, k *state.Windows[A], next int64),
) (next int64, failed error) {
	next = math.MaxInt64
	var queue closeQueue
	for _, encoded := range keys {
		k, err := w.store.Place([]byte(encoded))
		if err != nil {
			return next, Fatal(err)
		}
		from, to := span(k)
		if at := w.closer.nextClose(k, from); at <= to {
			queue = append(queue, closingKey{at, from, to, encoded})
		} else {
			next = min(next, at)
			if rest != nil {
				rest(encoded, k, at)
			}
		}
	}
	heap.Init(&queue)
	for len(queue) > 0 {
		first := &queue[0]
		k, err := w.store.Place([]byte(first.key))
		if err != nil {
			return next, Fatal(err)
		}
		key, err := w.decodeKey(first.key)
		if err != nil {
			return next, err
		}
		at := first.at
		if err := w.closer.closeIdle(key, k, first.before, at); err != nil && failed == nil {
			failed = err
		}
		w.storeFloor(min(at, w.pace.millis))
		if first.at, first.before = w.closer.nextClose(k, at), at; first.at <= first.to {
			heap.Fix(&queue, 0)
			continue
		}
		next = min(next, first.at)
		if rest != nil {
			rest(first.key, k, first.at)
		}
		heap.Pop(&queue)
	}
	return next, failed
}

// closingKey is a key with windows to close: the next at a time, the last at to. All that close up to before are closed.
type closingKey struct {
	at, before, to int64
	key            string
}

// closeQueue is a heap of keys by the time of their next closing, and by key.
type closeQueue []closingKey

func (q closeQueue) Len() int { return len(q) }
func (q closeQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].key < q[j].key
}
func (q closeQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *closeQueue) Push(x any)   { *q = append(*q, x.(closingKey)) }
func (q *closeQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// advanced makes records for windows that idleness has closed late. If none was closed, nothing is: the input may be
// silent before old records come, as it is when they are about to be written again.
func (w *windows[K, V, A, R]) advanced(millis, closings int64) {
	if w.closings > closings {
		w.store.AdvanceTo(millis)
	}
}

// oldestOpen returns a time that is not after the start under which a window is stored that is still to give a result, or
// math.MaxInt64.
func (w *windows[K, V, A, R]) oldestOpen() (int64, error) {
	from := int64(state.NoTime)
	if w.isSliding { // the windows that end before this time are closed, and only kept for others
		watermark, err := w.store.Watermark()
		if err != nil {
			return 0, Fatal(err)
		}
		if watermark != state.NoTime {
			from = watermark - w.grace
		}
	}
	oldest, ok, err := w.store.Oldest(from)
	if err != nil || !ok {
		return math.MaxInt64, Fatal(err)
	}
	return oldest, nil
}

// oldest returns the least time of the results that are held back, or math.MaxInt64.
func (p *suppressed[K, R]) oldest() int64 {
	oldest := int64(math.MaxInt64)
	for _, h := range p.queue {
		oldest = min(oldest, h.record.Millis)
	}
	return oldest
}
