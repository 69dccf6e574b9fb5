package sinktest

// plainCases are the promises of sinks that are no [sink.TwoPhase].
func plainCases[K, V any]() []testCase[K, V] {
	return []testCase[K, V]{
		{"a crash between the flush and the commit of the offsets loses nothing", crashAfterFlush[K, V]},
	}
}

func crashAfterFlush[K, V any](b *bench[K, V]) error {
	p, err := b.start()
	if err != nil {
		return err
	}
	if err := p.write(items(0, 3)...); err != nil {
		return err
	}
	if p, err = b.start(); err != nil { // the first has crashed, and has committed nothing
		return err
	}
	if err := p.write(items(0, 4)...); err != nil {
		return err
	}
	return b.expectRepeated(items(0, 4)...)
}
