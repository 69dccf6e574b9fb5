package connector

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// NullSegment stands for a null or empty value in a path, as Hive writes it.
const NullSegment = "__HIVE_DEFAULT_PARTITION__"

// maxSegment is the longest name of a file or folder, in bytes, that all usual file systems take.
const maxSegment = 255

// Segment returns text as one part of a path, in a local file system or an object store. No text can leave its folder or look like a
// hidden file: a dot at the beginning, slashes, backslashes, control characters and all that a file system of Windows refuses are written
// as %XX, as Hive does it, and the empty text is [NullSegment]. Two texts never have the same segment. It fails for text that is not UTF-8 or is
// too long for the name of a file.
func Segment(text string) (string, error) { return segment(text, "") }

// PairSegment returns a Hive partition, column=value, as one part of a path.
func PairSegment(column, value string) (string, error) {
	name, err := segment(column, "=")
	if err != nil {
		return "", fmt.Errorf("partition column: %w", err)
	}
	part, err := segment(value, "=")
	if err != nil {
		return "", fmt.Errorf("partition %s: %w", name, err)
	}
	if len(name)+1+len(part) > maxSegment {
		return "", fmt.Errorf("partition %s: the value has %d bytes as a folder, more than a file system takes", name, len(part))
	}
	return name + "=" + part, nil
}

// segment escapes the characters of also too.
func segment(text, also string) (string, error) {
	switch {
	case text == "":
		return NullSegment, nil
	case !utf8.ValidString(text):
		return "", fmt.Errorf("%q as the name of a folder: %w", excerpt(text), ErrUTF8)
	}
	const refused = `/\:*?"<>|%`
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		edge := i == 0 && (c == '.' || c == '_' || c == ' ') || i == len(text)-1 && (c == '.' || c == ' ')
		if edge || c < ' ' || c == 0x7f || strings.IndexByte(refused, c) >= 0 || strings.IndexByte(also, c) >= 0 {
			const digits = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	if b.Len() > maxSegment {
		return "", fmt.Errorf("%q as the name of a folder: it has %d bytes, more than the %d that a file system takes", excerpt(text), b.Len(), maxSegment)
	}
	return b.String(), nil
}
