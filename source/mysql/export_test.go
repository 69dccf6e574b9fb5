package mysql

import "github.com/weirstreams/weir/source"

// Plain makes a source read MariaDB as it reads servers without global transaction identifiers, and lock it for the moment of the snapshot as others than MariaDB.
func Plain[K, V any](s source.Source[K, V], lock bool) source.Source[K, V] {
	d := s.(*database[K, V])
	d.positionsOnly, d.lock = true, lock
	return s
}
