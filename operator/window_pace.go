package operator

import (
	"math"

	"github.com/weirstreams/weir/internal/state"
)

// Behind a repartition topic that several tasks write, results of a fast task come before older ones of a slow task. There the
// greatest time of a record does not close windows alone: they wait until all of those tasks have come as far. That
// time is the pace of the input; see Env.OnPace.

// windowPace is the pace of the input of a window's operator.
type windowPace struct {
	loaded bool
	// millis is the pace; noPace if the times of records alone close windows. The windows of a key are closed up to the pace or the
	// time of the key, the lesser of the two.
	millis int64
	// floor is how far windows have closed by the pace. It is in the store, and the pace never goes back behind it.
	floor int64
	// latest is the greatest time of a record, if windows close by partition.
	latest int64
	// waiting are the keys with windows that are closed by the time of the key and not by the pace. None of these closes
	// before from. unlisted is set if there may be more of them.
	waiting  map[string]struct{}
	from     int64
	unlisted bool
	closings int64 // of the operator, when the floor was moved last
}

// maxWaiting is how many waiting keys are kept in memory. If there are more, all keys are looked at.
const maxWaiting = 10_000

// bound returns the part of a time that is within the pace.
func (p *windowPace) bound(at int64) int64 { return min(at, p.millis) }

// wait notes that a window of a key closes at a time, as soon as the pace is there.
func (p *windowPace) wait(key []byte, at int64) {
	p.from = min(p.from, at)
	if p.unlisted {
		return
	}
	if _, ok := p.waiting[string(key)]; ok {
		return
	}
	if len(p.waiting) >= maxWaiting {
		p.waiting, p.unlisted = nil, true
		return
	}
	if p.waiting == nil {
		p.waiting = map[string]struct{}{}
	}
	p.waiting[string(key)] = struct{}{}
}

// loadPace reads how far the windows of the store are closed. It is called before anything else is done with them.
func (w *windows[K, V, A, R]) loadPace() error {
	if w.pace.loaded {
		return nil
	}
	first, paced := w.env.firstPace(w.node)
	p := windowPace{loaded: true, millis: first, floor: first, latest: state.NoTime, from: math.MinInt64, unlisted: true, closings: w.closings}
	if w.closer == nil || w.byPartition {
		w.pace = p
		return nil
	}
	stored, err := w.store.Pace()
	if err != nil {
		return Fatal(err)
	}
	switch {
	case paced && stored == state.NoTime: // windows were closed by the times of records
		latest, err := w.latestOfKeys()
		if err != nil {
			return err
		}
		p.floor = max(latest, first)
		p.millis = p.floor
		w.store.SetPace(p.floor)
	case paced:
		p.floor, p.millis = stored, stored
	case stored != state.NoTime: // the times of records close windows from now on
		p.floor, p.millis = stored, stored
		w.pace = p
		if err := w.movePace(noPace); err != nil {
			return err
		}
		w.store.SetPace(state.NoTime)
		return nil
	}
	w.pace = p
	return nil
}

// latestOfKeys returns the greatest time of a record in an open window, or state.NoTime.
func (w *windows[K, V, A, R]) latestOfKeys() (int64, error) {
	latest := int64(state.NoTime)
	keys, err := w.store.Keys()
	if err != nil {
		return latest, Fatal(err)
	}
	for _, key := range keys {
		k, err := w.store.Place([]byte(key))
		if err != nil {
			return latest, Fatal(err)
		}
		latest = max(latest, k.Latest)
	}
	return latest, nil
}

// movePace closes the windows that have waited for the tasks in front of the operator to come to a time. It may be less than before:
// a task has found older records, or nobody knows how far it has come.
func (w *windows[K, V, A, R]) movePace(to int64) error {
	w.env.Enter(w.node)
	if err := w.loadPace(); err != nil {
		return err
	}
	p := &w.pace
	if p.millis == noPace {
		return nil
	}
	before := p.millis
	p.millis = max(to, p.floor)
	if p.millis <= before {
		return nil
	}
	if w.byPartition {
		return w.movePartition()
	}
	if to < p.from {
		return nil
	}
	keys := make([]string, 0, len(p.waiting))
	for key := range p.waiting {
		keys = append(keys, key)
	}
	if p.unlisted {
		var err error
		if keys, err = w.store.Keys(); err != nil {
			return Fatal(err)
		}
	}
	p.waiting, p.unlisted, p.from = nil, false, math.MaxInt64
	watermark, err := w.store.Watermark()
	if err != nil {
		return Fatal(err)
	}
	_, err = w.closeInOrder(keys, func(k *state.Windows[A]) (from, to int64) {
		return max(watermark, min(k.Latest, before)), p.bound(k.Latest)
	}, func(key string, k *state.Windows[A], next int64) {
		if next <= k.Latest {
			p.wait([]byte(key), next)
		}
	})
	return err
}

// movePartition closes the windows of the partition up to the greatest time of a record, or the pace if that is less.
func (w *windows[K, V, A, R]) movePartition() error {
	p := &w.pace
	if p.unlisted { // after a restart
		latest, err := w.latestOfKeys()
		if err != nil {
			return err
		}
		p.latest, p.unlisted = max(p.latest, latest), false
	}
	watermark, err := w.store.Watermark()
	if err != nil {
		return Fatal(err)
	}
	reached := p.bound(p.latest)
	if reached <= watermark {
		return nil
	}
	w.store.AdvanceTo(reached)
	return w.closer.closePartition(&w.env.Origin, reached)
}

// advancePartition lets the time of the partition go on to that of a record, within the pace.
func (w *windows[K, V, A, R]) advancePartition(at int64) {
	w.pace.latest = max(w.pace.latest, at)
	if to := w.pace.bound(at); to >= 0 {
		w.store.AdvanceTo(to)
	}
}

// keyClosed is called when the windows of the current key, that of the record in process, are closed up to a time.
func (w *windows[K, V, A, R]) keyClosed(k *state.Windows[A], reached int64) {
	if w.pace.millis != noPace {
		w.keyClosedByPace(k, reached)
	}
}

func (w *windows[K, V, A, R]) keyClosedByPace(k *state.Windows[A], reached int64) {
	w.storeFloor(reached)
	if k.Latest <= reached {
		return
	}
	if next := w.closer.nextClose(k, reached); next <= k.Latest {
		w.pace.wait(w.keys.buffer, next)
	}
}

// storeFloor stores how far windows have closed by the pace, if some have, so that they stay closed after a restart.
func (w *windows[K, V, A, R]) storeFloor(reached int64) {
	p := &w.pace
	if w.byPartition || p.millis == noPace || w.closings == p.closings {
		return
	}
	p.closings = w.closings
	if reached > p.floor {
		p.floor = reached
		w.store.SetPace(reached)
	}
}
