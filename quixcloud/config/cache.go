package config

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/weirstreams/weir/row"
)

// CacheInfo says how the cache of contents does.
type CacheInfo struct {
	// Hits and Misses count queries that found their content in the cache, and queries that waited for it or went without it.
	// Queries without a version are not counted.
	Hits, Misses int64
	// Size is the number of contents that are at hand, MaxSize Config.CacheSize.
	Size, MaxSize int
	// Bytes is the size of those contents, MaxBytes Config.CacheBytes.
	Bytes, MaxBytes int64
}

// cache keeps the contents that were used last. It may be used by several goroutines at once.
type cache struct {
	mu   sync.Mutex // guards what follows, and that loaded is set while content is in sizes
	info CacheInfo  // without Size
	// sizes has the size of each content in bytes. Those that were not used for longest go first.
	sizes *simplelru.LRU[*content, int64]
}

// newCache returns a cache for a number of contents, at least 1, and of bytes.
func newCache(size int, bytes int64) *cache {
	k := &cache{info: CacheInfo{MaxSize: size, MaxBytes: bytes}}
	k.sizes, _ = simplelru.NewLRU(max(size, 1), k.forget) // fails for sizes below 1 only
	return k
}

// forget is called for content that leaves sizes. k.mu is held.
func (k *cache) forget(c *content, bytes int64) {
	c.loaded.Store(nil)
	k.info.Bytes -= bytes
}

// hit notes that content was used.
func (k *cache) hit(c *content) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.info.Hits++
	k.sizes.Get(c)
}

func (k *cache) miss() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.info.Misses++
}

// put keeps fetched content, and drops older content when the cache is full. It keeps a single content of any size.
func (k *cache) put(c *content, l *loaded) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sizes.Remove(c)
	bytes := int64(len(l.data))
	k.sizes.Add(c, bytes)
	c.loaded.Store(l)
	k.info.Bytes += bytes
	for k.info.Bytes > k.info.MaxBytes && k.sizes.Len() > 1 {
		k.sizes.RemoveOldest()
	}
}

// drop forgets content.
func (k *cache) drop(c *content) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sizes.Remove(c)
}

func (k *cache) statistics() CacheInfo {
	k.mu.Lock()
	defer k.mu.Unlock()
	info := k.info
	info.Size = k.sizes.Len()
	return info
}

// content is the content of one source. It lives as long as the versions that refer to it; its fetched bytes may be dropped earlier.
type content struct {
	source source
	// loaded is nil until the content was fetched, and when the cache has dropped it.
	loaded atomic.Pointer[loaded]

	mu         sync.Mutex // guards what follows
	flight     *flight    // the fetch that is on its way, or nil
	failure    error      // of the last fetch
	failures   int        // in a row
	retryAt    time.Time  // nothing is sent before, if there is a failure
	unreadable int        // how often in a row nobody could read what was fetched
}

// flight is a running fetch. Its result is set before done is closed.
type flight struct {
	done   chan struct{}
	loaded *loaded
	err    error
}

// loaded is fetched content. Only its decoded forms change.
type loaded struct {
	data []byte
	// made are the results of lookups, by lookup: the same content gives the same.
	made sync.Map
	// value is the content as JSON.
	value func() (row.Value, error)
	// refetch is the time of the next fetch of unreadable content without a checksum, in nanoseconds since the Unix epoch,
	// or 0. Content with a right checksum is not fetched again.
	refetch atomic.Int64
}

func newLoaded(data []byte) *loaded {
	l := &loaded{data: data}
	l.value = sync.OnceValues(func() (v row.Value, err error) {
		if err := v.UnmarshalJSON(data); err != nil {
			return v, fmt.Errorf("%w: %w", ErrContent, err)
		}
		return v, nil
	})
	return l
}

// fresh reports whether there is no reason to fetch the content again.
func (l *loaded) fresh(now func() time.Time) bool {
	at := l.refetch.Load()
	return at == 0 || now().UnixNano() <= at
}

// forgive lets the next record fetch the content, if that has failed before.
func (c *content) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure, c.failures = nil, 0
}

// result is the result of a lookup's work on content.
type result[T any] struct {
	value T
	err   error
}

// use returns the result of of for a lookup, and calls of once for as long as the content is in the cache. After an error that
// wraps ErrContent, content without a checksum is fetched again later.
func use[T any](s *contents, c *content, l *loaded, by any, of func(*loaded) (T, error)) (T, error) {
	if made, ok := l.made.Load(by); ok {
		r := made.(result[T])
		return r.value, r.err
	}
	value, err := of(l)
	l.made.Store(by, result[T]{value, err})
	switch {
	case errors.Is(err, ErrContent):
		s.doubt(c, l)
	case err == nil && c.source.sum == "":
		c.mu.Lock()
		c.unreadable = 0
		c.mu.Unlock()
	}
	return value, err
}

// doubt notes that content which was fetched cannot be read.
func (s *contents) doubt(c *content, l *loaded) {
	if c.source.sum != "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded.Load() == l && l.refetch.Load() == 0 {
		l.refetch.Store(s.retryAt(c.unreadable).UnixNano())
		c.unreadable++
	}
}
