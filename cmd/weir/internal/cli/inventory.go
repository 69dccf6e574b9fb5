package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/weirstreams/weir/stream"
)

// ReadInventory reads the inventory of a topology: JSON of stream.Inventory.
func ReadInventory(name string) (inventory stream.Inventory, err error) {
	file, err := os.Open(name)
	if err != nil {
		return inventory, err
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&inventory); err != nil {
		return inventory, fmt.Errorf("inventory %s: %w", name, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return inventory, fmt.Errorf("inventory %s: there is more behind the object", name)
	}
	if inventory.Streams == nil && inventory.Globals == nil {
		return inventory, fmt.Errorf("inventory %s: it has neither streams nor global tables", name)
	}
	return inventory, nil
}

// Inputs returns the topics that a topology reads and does not write as internal ones, in the order of their names.
func Inputs(inventory stream.Inventory) (names []string) {
	internal := map[string]bool{}
	for _, s := range inventory.Streams {
		names = append(names, s.Inputs...)
		for _, r := range s.Repartitions {
			internal[r.Topic] = true
		}
	}
	names = append(names, inventory.Globals...)
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return internal[name] })
}
