package mysql

import (
	"context"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/source"
)

// unseen emits the parts of a change that the rows of the snapshot do not have yet.
func (r *reader[K, V]) unseen(ctx context.Context, t *table, spans []span, c Change, into *source.Batch[K, V]) error {
	seen, err := r.seen(ctx, t, spans, c.Key)
	if err != nil {
		return err
	}
	if c.Op == Update {
		oldKey, err := connector.Project(c.Before, t.keyNames)
		if err != nil {
			return connector.Permanent{Err: fmt.Errorf("table %s: %w", t, err)}
		}
		if !oldKey.Equal(c.Key) { // the row has moved, perhaps to a part that was read at another time
			seenBefore, err := r.seen(ctx, t, spans, oldKey)
			if err != nil {
				return err
			}
			if seen && !seenBefore {
				c.Op, c.After, c.Key, seen = Delete, row.Row{}, oldKey, false
			} else if !seen && seenBefore {
				c.Op, c.Before = Insert, row.Row{}
			}
		}
	}
	if seen {
		return nil
	}
	return r.emit(c, into)
}

// seen reports whether the snapshot of a key's row has the current transaction.
func (r *reader[K, V]) seen(ctx context.Context, t *table, spans []span, key row.Row) (bool, error) {
	all, none := true, true
	has := make([]bool, len(spans))
	for i := range spans {
		var err error
		if has[i], err = r.before(r.stream.from, r.stream.gtid, &spans[i].place); err != nil {
			return false, err
		}
		all, none = all && has[i], none && !has[i]
	}
	if all || none {
		return all, nil
	}
	texts, err := t.keyTexts(key)
	if err != nil {
		return false, connector.Permanent{Err: fmt.Errorf("table %s: %w", t, err)}
	}
	of := 0
	for i := 1; i < len(spans); i++ {
		order, err := t.compare(ctx, r.queries, texts, spans[i].From)
		if err != nil {
			return false, err
		}
		if order > 0 {
			of = i
		}
	}
	return has[of], nil
}

// shown reports whether the rows of a table were all read behind the current transaction.
func (r *reader[K, V]) shown(t *table) bool {
	spans := r.at.Ranges[t.schema+"."+t.name]
	for i := range spans {
		if before, err := r.before(r.stream.from, r.stream.gtid, &spans[i].place); err != nil || !before {
			return false
		}
	}
	return len(spans) > 0
}

// before reports whether a transaction is before a place. from is where it begins, and gtid its identifier.
func (r *reader[K, V]) before(from mysql.Position, gtid string, at *place) (bool, error) {
	if !r.at.ByGTID {
		return from.Compare(mysql.Position{Name: at.File, Pos: at.Pos}) < 0, nil
	}
	shown, err := r.gtids(at.GTID)
	if err != nil {
		return false, err
	}
	one, err := r.gtids(gtid)
	return err == nil && shown.Contain(one), err
}

// gtids parses a set, and keeps the result: the places of the rows are asked for each change.
func (r *reader[K, V]) gtids(text string) (mysql.GTIDSet, error) {
	if s := r.parsed[text]; s != nil {
		return s, nil
	}
	s, err := mysql.ParseGTIDSet(r.database.flavor, text)
	if err != nil {
		return nil, fmt.Errorf("global transaction identifiers %q: %w", text, err)
	}
	if len(r.parsed) > 100 || r.parsed == nil {
		r.parsed = map[string]mysql.GTIDSet{}
	}
	r.parsed[text] = s
	return s, nil
}

// forget drops the places of the rows, when the log has been read behind all of them.
func (r *reader[K, V]) forget() error {
	for _, spans := range r.at.Ranges {
		for i := range spans {
			var behind bool
			if r.at.ByGTID {
				now, err := r.gtidsNow()
				if err != nil {
					return err
				}
				shown, err := r.gtids(spans[i].GTID)
				if err != nil {
					return err
				}
				behind = now.Contain(shown)
			} else {
				behind = (mysql.Position{Name: r.at.File, Pos: r.at.Pos}).Compare(mysql.Position{Name: spans[i].File, Pos: spans[i].Pos}) >= 0
			}
			if !behind {
				return nil
			}
		}
	}
	clear(r.at.Ranges)
	return nil
}

func (r *reader[K, V]) gtidsNow() (mysql.GTIDSet, error) {
	return mysql.ParseGTIDSet(r.database.flavor, r.at.GTID)
}
