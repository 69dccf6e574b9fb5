// Package ability finds the optional abilities of aggregators: package window has an interface for each.
package ability

// Parts is implemented by aggregators that are made of others, and have an ability only if their parts do.
type Parts interface {
	// Merges reports whether the aggregator is a window.Merger, Collects whether it is a window.Collector, Orders whether it is
	// a window.Orderer, and Subtracts whether it is a window.Subtracter.
	Merges() bool
	Collects() bool
	Orders() bool
	Subtracts() bool
}

// Of returns an aggregator as the interface of an ability, or nil if it does not have the ability. has is the method of [Parts] that
// tells of it.
func Of[Ability any](aggregator any, has func(Parts) bool) (ability Ability) {
	if parts, ok := aggregator.(Parts); ok && !has(parts) {
		return ability
	}
	ability, _ = aggregator.(Ability)
	return ability
}

// Name returns the name of an aggregator that is a window.Named, or that of a custom one.
func Name(aggregator any) string {
	if n, ok := aggregator.(interface{ AccumulatorName() string }); ok {
		return n.AccumulatorName()
	}
	return "custom"
}
