package quixconfig

import (
	"cmp"
	"maps"
	"slices"
	"sort"
)

// version is one version of a configuration. It does not change.
type version struct {
	number    int64
	validFrom int64 // nanoseconds since the Unix epoch
	content   *content
}

// configuration are the versions for one key.
type configuration struct {
	versions map[int64]*version
	// valid are the versions that count for some time, in the order in which they become valid, which is also that of their
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
