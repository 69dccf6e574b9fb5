package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// table is the state of the topic.
type table struct {
	// old are contents of the table before this one, before it was read again from the beginning: fetched content is not
	// fetched again.
	old map[source]*content

	mu             sync.RWMutex // guards what follows
	configurations map[id]*configuration
	versions       int
	changes        int           // how many there were
	total          *atomic.Int64 // how many there were in this table and those before it
	changed        chan struct{} // closed with the next one, if anybody waits for it
}

func newTable(old *table) *table {
	t := &table{configurations: map[id]*configuration{}, total: new(atomic.Int64)}
	if old != nil {
		t.total = old.total
	}
	if old != nil {
		t.old = old.contents()
	}
	return t
}

// find returns the version that counts for a key at a time, or nil. t.mu is held for reading.
func (t *table) find(exact, fallback id, nanos int64) *version {
	c, ok := t.configurations[exact]
	if !ok {
		if c, ok = t.configurations[fallback]; !ok {
			return nil
		}
	}
	return c.at(nanos)
}

// apply applies an event. It returns contents without a remaining version. An error says that the event meant nothing.
func (t *table) apply(e event) (dropped *content, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.configurations[e.id]
	if e.deleted {
		if c == nil {
			return nil, errors.New("deleted: there is no configuration with this id")
		}
		v := c.versions[e.number]
		if v == nil {
			return nil, fmt.Errorf("deleted: there is no version %d", e.number)
		}
		c.remove(e.number)
		t.versions--
		if len(c.versions) == 0 {
			delete(t.configurations, e.id)
		}
		t.wake()
		return v.content, nil
	}
	if c == nil {
		c = &configuration{versions: map[int64]*version{}}
		t.configurations[e.id] = c
	}
	v := &version{number: e.number, validFrom: e.validFrom}
	old := c.versions[e.number]
	switch {
	case old != nil && old.content.source == e.source:
		v.content = old.content
		v.content.forgive()
	case t.old[e.source] != nil:
		v.content = t.old[e.source]
	default:
		v.content = &content{source: e.source}
	}
	if old == nil {
		t.versions++
	} else if old.content != v.content {
		dropped = old.content
	}
	c.put(v)
	t.wake()
	return dropped, nil
}

// wake wakes waiting lookups. t.mu is held.
func (t *table) wake() {
	t.changes++
	t.total.Add(1)
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// next returns a channel that is closed with the next change after a number of them.
func (t *table) next(changes int) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changes != changes {
		return closedChannel
	}
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return t.changed
}

var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// retire tells waiting lookups that there is a new table.
func (t *table) retire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wake()
}

func (t *table) contents() map[source]*content {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make(map[source]*content, t.versions)
	for _, c := range t.configurations {
		for _, v := range c.versions {
			all[v.content.source] = v.content
		}
	}
	return all
}

// size returns the numbers of configurations and versions.
func (t *table) size() (configurations, versions int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.configurations), t.versions
}

// version is one version of a configuration. It does not change.
type version struct {
	number    int64
	validFrom int64 // nanoseconds since the Unix epoch
	content   *content
}

// configuration are the versions for one key.
type configuration struct {
	versions map[int64]*version
	// valid are the versions that count for some time, in the order of their first valid time and of their
	// numbers: one that becomes valid later than another with a higher number never counts.
	valid []*version
}

// at returns the version with the highest number of those that are valid at a time, or nil.
func (c *configuration) at(nanos int64) *version {
	after := sort.Search(len(c.valid), func(i int) bool { return c.valid[i].validFrom > nanos })
	if after == 0 {
		return nil
	}
	return c.valid[after-1]
}

// put adds a version, or takes it in the place of the one with its number.
func (c *configuration) put(v *version) {
	_, replaces := c.versions[v.number]
	c.versions[v.number] = v
	if replaces {
		c.choose()
		return
	}
	c.add(v)
}

func (c *configuration) remove(number int64) {
	delete(c.versions, number)
	c.choose()
}

// choose makes valid anew.
func (c *configuration) choose() {
	clear(c.valid)
	c.valid = c.valid[:0]
	order := func(v, w *version) int { return cmp.Compare(v.number, w.number) }
	for _, v := range slices.SortedFunc(maps.Values(c.versions), order) {
		c.add(v)
	}
}

// add puts a version where it belongs in valid, and removes those that do not count any more.
func (c *configuration) add(v *version) {
	after := sort.Search(len(c.valid), func(i int) bool { return c.valid[i].validFrom > v.validFrom })
	if after > 0 && c.valid[after-1].number > v.number {
		return
	}
	begin, end := after, after
	if begin > 0 && c.valid[begin-1].validFrom == v.validFrom {
		begin--
	}
	for end < len(c.valid) && c.valid[end].number < v.number {
		end++
	}
	c.valid = slices.Replace(c.valid, begin, end, v)
}
