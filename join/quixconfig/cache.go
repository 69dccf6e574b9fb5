package quixconfig

import "sync"

// CacheInfo says how the cache of contents does.
type CacheInfo struct {
	// Hits and Misses count queries whose content was at hand, and others, which had to wait for it or went without. Queries
	// that found no version are not counted.
	Hits, Misses int64
	// Size is the number of contents that are at hand, MaxSize Config.CacheSize.
	Size, MaxSize int
	// Bytes is the size of those contents, MaxBytes Config.CacheBytes.
	Bytes, MaxBytes int64
}

// cache keeps the contents that were used last. It may be used by several goroutines at once.
type cache struct {
	mu   sync.Mutex // guards what follows, and the places of contents
	info CacheInfo
	// first was used last, last is the next to go.
	first, last *content
}

// place is where content stands in the cache.
type place struct {
	in           bool
	bytes        int64
	newer, older *content
}

// hit notes that content was used.
func (k *cache) hit(c *content) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.info.Hits++
	if c.place.in && k.first != c {
		k.unlink(c)
		k.link(c)
	}
}

func (k *cache) miss() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.info.Misses++
}

// put keeps content that was fetched, and drops what there is no more room for. A single content is kept whatever its size.
func (k *cache) put(c *content, l *loaded) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(c)
	c.loaded.Store(l)
	c.place.in, c.place.bytes = true, int64(len(l.data))
	k.info.Size++
	k.info.Bytes += c.place.bytes
	k.link(c)
	for k.last != c && (k.info.Size > k.info.MaxSize || k.info.Bytes > k.info.MaxBytes) {
		k.remove(k.last)
	}
}

// drop forgets content.
func (k *cache) drop(c *content) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(c)
}

func (k *cache) remove(c *content) {
	if !c.place.in {
		return
	}
	c.loaded.Store(nil)
	k.unlink(c)
	k.info.Size--
	k.info.Bytes -= c.place.bytes
	c.place = place{}
}

func (k *cache) link(c *content) {
	c.place.newer, c.place.older = nil, k.first
	if k.first != nil {
		k.first.place.newer = c
	} else {
		k.last = c
	}
	k.first = c
}

func (k *cache) unlink(c *content) {
	newer, older := c.place.newer, c.place.older
	if newer != nil {
		newer.place.older = older
	} else {
		k.first = older
	}
	if older != nil {
		older.place.newer = newer
	} else {
		k.last = newer
	}
}

func (k *cache) statistics() CacheInfo {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.info
}
