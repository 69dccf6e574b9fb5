//go:build unix

package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrChecksum says that a fetched file is not the one that was pinned.
var ErrChecksum = errors.New("checksum mismatch")

// verify compares the files of a directory with the lines of sha256sum. Files that are missing and files that are not
// listed are mismatches too.
func verify(dir, sums string) error {
	want, err := parseSums(sums)
	if err != nil {
		return err
	}
	have, err := digests(dir)
	if err != nil {
		return err
	}
	names := maps.Clone(want)
	maps.Copy(names, have)
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		switch {
		case want[name] == "":
			wrong = append(wrong, name+" is not in the list of checksums")
		case have[name] == "":
			wrong = append(wrong, name+" was not fetched")
		case have[name] != want[name]:
			wrong = append(wrong, fmt.Sprintf("%s has %s instead of %s", name, have[name], want[name]))
		}
	}
	if wrong != nil {
		return fmt.Errorf("%w: %s", ErrChecksum, strings.Join(wrong, "; "))
	}
	return nil
}

// sumsOf returns the lines that verify compares.
func sumsOf(dir string) (string, error) {
	have, err := digests(dir)
	if err != nil {
		return "", err
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(have)) {
		fmt.Fprintf(&lines, "%s  %s\n", have[name], name)
	}
	return lines.String(), nil
}

func parseSums(sums string) (map[string]string, error) {
	parsed := map[string]string{}
	for line := range strings.Lines(sums) {
		fields := strings.Fields(line)
		if len(fields) != 2 || len(fields[0]) != 2*sha256.Size {
			return nil, fmt.Errorf("%q is no line of sha256sum", line)
		}
		parsed[fields[1]] = fields[0]
	}
	return parsed, nil
}

func digests(dir string) (map[string]string, error) {
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		digest := sha256.New()
		if _, err := io.Copy(digest, f); err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		found[filepath.ToSlash(name)] = hex.EncodeToString(digest.Sum(nil))
		return nil
	})
	return found, err
}
