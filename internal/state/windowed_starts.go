package state

import (
	"fmt"
	"math"
)

// openStarts counts the open windows of a store by their start, so that the oldest is known without a look at each key.
// Starts that lie in one bucket are counted together.
type openStarts struct {
	loaded bool
	counts map[int64]int64 // by start / bucket, rounded down
}

// bucketOf returns the bucket of a start.
func bucketOf(start, width int64) int64 {
	bucket := start / width
	if start%width < 0 {
		bucket--
	}
	return bucket
}

// countStart notes that windows with a start were opened, or closed if n is negative.
func (s *Windowed[A]) countStart(start, n int64) {
	if s.options.StartBucket <= 0 {
		return
	}
	bucket := bucketOf(start, s.options.StartBucket)
	if s.starts.counts[bucket] += n; s.starts.counts[bucket] <= 0 {
		delete(s.starts.counts, bucket)
	}
}

// loadStarts counts the windows in the database. It is called before the first change, so that these are all.
func (s *Windowed[A]) loadStarts() error {
	if s.options.StartBucket <= 0 || s.starts.loaded {
		return nil
	}
	s.starts.counts = map[int64]int64{}
	from := append(append([]byte(nil), s.space.Prefix...), familyWindow)
	to := append(append([]byte(nil), s.space.Prefix...), familyWindow+1)
	err := s.space.Backend.Scan(from, to, func(row, _ []byte) (bool, error) {
		if len(row) < len(from)+1+8 {
			return false, errRowLength
		}
		s.countStart(ordered(row[len(row)-8:]), 1)
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("store %q: read the starts of windows: %w", s.name, err)
	}
	s.starts.loaded = true
	return nil
}

// Oldest returns a time that is not after the least start, from the given one on, of all windows in the store, and after
// that start less WindowedOptions.StartBucket. It returns false if there is no such window. The store must have been opened
// with a StartBucket.
func (s *Windowed[A]) Oldest(from int64) (start int64, ok bool, err error) {
	if err := s.loadStarts(); err != nil {
		return 0, false, err
	}
	start = math.MaxInt64
	for bucket := range s.starts.counts {
		first := bucket * s.options.StartBucket
		if first+s.options.StartBucket > from {
			start, ok = min(start, max(first, from)), true
		}
	}
	return start, ok, nil
}
