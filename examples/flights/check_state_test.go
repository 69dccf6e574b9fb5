package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// rows is the content of a store, over all partitions.
type rows map[string][]byte

// changelog returns what a changelog says that a store holds.
func (k *trial) changelog(s graph.Store) rows {
	k.t.Helper()
	content := rows{}
	k.read(s.Changelog, func(_ int32, r *broker.Record) {
		if r.Value == nil {
			delete(content, string(r.Key))
			return
		}
		content[string(r.Key)] = bytes.Clone(r.Value)
	})
	return content
}

// database returns what the databases in a state directory say that a store holds.
func (k *trial) database(s graph.Store, stateDir string) rows {
	k.t.Helper()
	content := rows{}
	pebble := state.NewPebble(state.PebbleConfig{Logger: logger(k.t)})
	defer pebble.Close()
	for p := range partitions {
		path := filepath.Join(stateDir, k.name, k.airports().StreamID, fmt.Sprint(p))
		if _, err := os.Stat(path); err != nil {
			k.t.Fatal(err)
		}
		db, err := pebble.Open(path)
		if err != nil {
			k.t.Fatal(err)
		}
		// See package engine for the layout.
		prefix, err := db.Get(nil, append([]byte{0, 's'}, s.Name...))
		if err != nil {
			k.t.Fatalf("store %q: %v", s.Name, err)
		}
		end := bytes.Clone(prefix)
		end[len(end)-1]++
		err = db.Scan(prefix, end, func(key, value []byte) (bool, error) {
			content[string(key[len(prefix):])] = bytes.Clone(value)
			return true, nil
		})
		if err != nil {
			k.t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			k.t.Fatal(err)
		}
	}
	return content
}

// isOfEngine reports whether the engine has written a record of a changelog for itself: a claim of its owner, or the input
// that the state reflects. It is no row of a store. See package engine.
func isOfEngine(row string, _ []byte) bool {
	return strings.HasPrefix(row, "\x00\xff__weir_owner_of_the_task__") || strings.HasPrefix(row, "\x00\xff__weir_standing_of_the_task__")
}

func (k *trial) checkState(want *reference, stateDir string) {
	k.t.Helper()
	for _, s := range k.airports().Stores {
		fromTopic, fromDisk := k.changelog(s), k.database(s, stateDir)
		if diff := cmp.Diff(fromTopic, fromDisk, cmpopts.IgnoreMapEntries(isOfEngine)); diff != "" {
			k.t.Errorf("store %q (-changelog +database):\n%s", s.Name, diff)
		}
		if s.Name == totals.Name() {
			got, wanted := map[string]Delays{}, map[string]Delays{}
			for row, value := range fromTopic {
				if isOfEngine(row, value) {
					continue
				}
				if row[0] != 's' || value[0] != 0 { // see store.Cell for the layout
					k.t.Fatalf("row %q: %q", row, value)
				}
				var d Delays
				k.unmarshal(value[1:], &d)
				got[row[1:]] = d
			}
			for airport := range want.totals {
				wanted[airport] = want.last(airport)
			}
			if diff := cmp.Diff(wanted, got); diff != "" {
				k.t.Errorf("totals (-want +got):\n%s", diff)
			}
			continue
		}
		got := map[string]map[int64]openHour{}
		for row, value := range fromTopic {
			if row == "d" || isOfEngine(row, value) { // the definition of the windows
				continue
			}
			airport, begin, h := k.decodeWindow(row, value)
			if got[airport] == nil {
				got[airport] = map[int64]openHour{}
			}
			got[airport][begin] = h
		}
		if diff := cmp.Diff(want.open, got, cmpopts.EquateEmpty()); diff != "" {
			k.t.Errorf("open hours (-want +got):\n%s", diff)
		}
	}
}

// decodeWindow reads a row of a windowed store. See state.Windowed for the layout.
func (k *trial) decodeWindow(row string, value []byte) (airport string, begin int64, h openHour) {
	k.t.Helper()
	length, n := binary.Uvarint([]byte(row[1:]))
	if row[0] != 'w' || n <= 0 || len(row) != 1+n+int(length)+8 {
		k.t.Fatalf("row %q", row)
	}
	airport = row[1+n : 1+n+int(length)]
	begin = int64(binary.BigEndian.Uint64([]byte(row[len(row)-8:])) ^ 1<<63)
	sinceBegin, n := binary.Varint(value)
	value = value[n:]
	for range 2 { // number of records, mark
		_, n = binary.Uvarint(value)
		value = value[n:]
	}
	k.unmarshal(value, &h.Delays)
	h.Latest = begin + sinceBegin
	return airport, begin, h
}
