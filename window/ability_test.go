package window_test

import (
	"github.com/weirstreams/weir/internal/ability"
	"github.com/weirstreams/weir/window"
)

func mergerOf[V, A, R any](a window.Aggregator[V, A, R]) window.Merger[A] {
	return ability.Of[window.Merger[A]](a, ability.Parts.Merges)
}

func collectorOf[V, A, R any](a window.Aggregator[V, A, R]) window.Collector[V, A, R] {
	return ability.Of[window.Collector[V, A, R]](a, ability.Parts.Collects)
}

func ordererOf[V, A, R any](a window.Aggregator[V, A, R]) window.Orderer[A, V] {
	return ability.Of[window.Orderer[A, V]](a, ability.Parts.Orders)
}
