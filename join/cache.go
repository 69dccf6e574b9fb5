package join

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/weirstreams/weir/internal/joining"
)

// Defaults of a CacheConfig.
const (
	DefaultCacheSize = 1000
	DefaultCacheTTL  = time.Minute
)

// CacheConfig bounds a cache. The zero value keeps 1,000 answers for a minute.
type CacheConfig struct {
	// Size is the greatest number of answers that are kept; those that were not used for longest go first. 0 means
	// DefaultCacheSize.
	Size int
	// TTL is for how long an answer counts, by the clock of the machine, however often it is used. 0 means DefaultCacheTTL;
	// a negative one switches the cache off: every query is asked, and nothing is counted.
	TTL time.Duration
	// Now is the clock, for tests. nil means time.Now.
	Now func() time.Time
}

// Cache keeps the answers of a lookup, including answers without a row. Cached makes one. It is safe for
// concurrent use; all tasks of a process share its answers.
type Cache[Q comparable, R any] struct {
	lookup Lookup[Q, R]
	size   int
	ttl    time.Duration
	now    func() time.Time
	began  time.Time
	asking sync.Pool // of *misses[Q, R]

	mu           sync.Mutex // guards what follows; not held while lookup is asked
	answers      *simplelru.LRU[Q, answer[R]]
	pending      map[Q]chan struct{} // queries that are being asked; closed when that has ended
	clears       int                 // how often Clear was called
	hits, misses int64
}

// answer is a row, or nil, and when it was asked for, since the cache began.
type answer[R any] struct {
	row *R
	at  time.Duration
}

// CacheInfo says how a cache does. Hits and Misses count queries since it was made; a query that occurs several times in one
// batch is a miss once. Size is the number of answers that it holds, those among them that are too old, and MaxSize the
// greatest.
type CacheInfo struct {
	Hits, Misses  int64
	Size, MaxSize int
}

// Cached puts a cache before a lookup. The query is the key: it has to hold everything that the answer depends on. The lookup
// is asked once for a query that several records of a batch, or several workers at a time, have in common.
func Cached[Q comparable, R any](lookup Lookup[Q, R], config CacheConfig) *Cache[Q, R] {
	c := &Cache[Q, R]{lookup: lookup, size: config.Size, ttl: config.TTL, now: config.Now}
	if c.size <= 0 {
		c.size = DefaultCacheSize
	}
	if c.ttl == 0 {
		c.ttl = DefaultCacheTTL
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.began = c.now()
	c.pending = map[Q]chan struct{}{}
	c.asking.New = func() any { return &misses[Q, R]{index: map[Q]int{}} }
	c.answers, _ = simplelru.NewLRU[Q, answer[R]](c.size, nil) // fails for sizes below 1 only
	return c
}

func (c *Cache[Q, R]) settings() joining.Lookup[R, Overflow] { return settingsOf(c.lookup) }

// Lookup implements [Lookup]. The time is taken once for all queries. A query that another call is asking waits for
// that answer, for up to a second. With a [BypassCache] context all queries are asked.
func (c *Cache[Q, R]) Lookup(ctx context.Context, queries []Q, found []*R) error {
	if c.ttl < 0 {
		return c.lookup.Lookup(ctx, queries, found)
	}
	fresh := BypassesCache(ctx)
	return c.answer(ctx, queries, found, !fresh, !fresh)
}

// answer is Lookup. known allows answers of the cache, wait allows waiting for other calls.
func (c *Cache[Q, R]) answer(ctx context.Context, queries []Q, found []*R, known, wait bool) error {
	now := c.now().Sub(c.began)
	m := c.find(now, queries, found, known, wait)
	if m == nil {
		return nil
	}
	defer func() {
		m.clear()
		c.asking.Put(m)
	}()
	if len(m.queries) > 0 {
		if err := c.ask(ctx, now, m); err != nil {
			return err
		}
		for _, w := range m.waiting {
			found[w.query] = m.found[w.miss]
		}
	}
	if len(m.others) == 0 {
		return nil
	}
	if err := await(ctx, m.others); err != nil {
		return err
	}
	left, answers := make([]Q, len(m.others)), make([]*R, len(m.others))
	for i, o := range m.others {
		left[i] = queries[o.query]
	}
	if err := c.answer(ctx, left, answers, true, false); err != nil {
		return err
	}
	for i, o := range m.others {
		found[o.query] = answers[i]
	}
	return nil
}

// find sets found to the cached answers, and returns the misses, or nil without a miss.
func (c *Cache[Q, R]) find(now time.Duration, queries []Q, found []*R, known, wait bool) (m *misses[Q, R]) {
	c.mu.Lock()
	complete := false
	defer func() {
		if !complete && m != nil { // a query cannot be compared, which panics
			c.release(m)
		}
		c.mu.Unlock()
	}()
	for i, q := range queries {
		if a, ok := c.answers.Get(q); ok && known && now-a.at < c.ttl {
			found[i] = a.row
			c.hits++
			continue
		}
		if m == nil {
			m = c.asking.Get().(*misses[Q, R])
			m.done, m.clears = make(chan struct{}), c.clears
		}
		other := c.pending[q]
		switch {
		case wait && other != nil && other != m.done:
			m.others = append(m.others, pendingQuery{i, other})
			continue
		case !m.add(i, q):
			c.hits++
			continue
		}
		c.misses++
		if other == nil && q == q { // a NaN could not be deleted
			c.pending[q] = m.done
		}
	}
	complete = true
	return m
}

// ask looks up the misses, and keeps the answers.
func (c *Cache[Q, R]) ask(ctx context.Context, now time.Duration, m *misses[Q, R]) error {
	answered := false
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, q := range m.queries {
			if answered && c.clears == m.clears && q == q {
				c.answers.Add(q, answer[R]{m.found[i], now})
			}
		}
		c.release(m)
	}()
	err := c.lookup.Lookup(ctx, m.queries, m.found)
	answered = err == nil
	return err
}

// release lets others ask for the queries of m. The caller holds mu.
func (c *Cache[Q, R]) release(m *misses[Q, R]) {
	for _, q := range m.queries {
		if c.pending[q] == m.done {
			delete(c.pending, q)
		}
	}
	close(m.done)
}

// await waits until queries are answered, or have failed, but not for long: a call may hang because of another query.
func await(ctx context.Context, queries []pendingQuery) error {
	enough := time.NewTimer(time.Second)
	defer enough.Stop()
	for _, q := range queries {
		select {
		case <-q.done:
		case <-enough.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Info returns how the cache does. Any goroutine may call it.
func (c *Cache[Q, R]) Info() CacheInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheInfo{Hits: c.hits, Misses: c.misses, Size: c.answers.Len(), MaxSize: c.size}
}

// Clear forgets all answers. Those that are on their way are not kept.
func (c *Cache[Q, R]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers.Purge()
	c.clears++
}

// misses are the queries of a batch that are asked, each once.
type misses[Q comparable, R any] struct {
	index   map[Q]int // of queries
	queries []Q
	found   []*R
	waiting []waiter
	others  []pendingQuery
	done    chan struct{} // closed when queries are answered, or have failed
	clears  int           // when they were asked
}

// pendingQuery is a query of the batch that another call is asking.
type pendingQuery struct {
	query int
	done  chan struct{}
}

// waiter is a query of the batch and the one that is asked for it.
type waiter struct{ query, miss int }

// add adds query number i of the batch, and reports whether it is a new one.
func (m *misses[Q, R]) add(i int, q Q) (isNew bool) {
	miss, ok := m.index[q]
	if !ok {
		miss = len(m.queries)
		m.index[q] = miss
		m.queries = append(m.queries, q)
		m.found = append(m.found, nil)
	}
	m.waiting = append(m.waiting, waiter{i, miss})
	return !ok
}

// clear drops everything but memory.
func (m *misses[Q, R]) clear() {
	clear(m.index)
	clear(m.queries)
	clear(m.found)
	clear(m.others)
	m.queries, m.found, m.waiting, m.others = m.queries[:0], m.found[:0], m.waiting[:0], m.others[:0]
	m.done = nil
}
