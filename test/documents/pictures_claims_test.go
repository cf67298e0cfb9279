// SPDX-License-Identifier: MPL-2.0

package documents

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/token"
)

func cardinals() []string {
	return strings.Fields("none one two three four five six seven eight nine ten")
}

func ordinals() []string { return strings.Fields("none first second third fourth fifth sixth") }

func shortOrdinals() []string { return strings.Fields("none 1st 2nd 3rd 4th 5th 6th") }

var figure = regexp.MustCompile(`(?i)\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|second|third|fourth|fifth|sixth|twice|half)\b`)

// hasTheFigures fails for each text with a figure that is not one of these, and for each
// of these that the picture does not have. So no figure of a picture changes unnoticed.
func (p *picture) hasTheFigures(t *testing.T, texts ...string) {
	t.Helper()
	shown := []string{p.name}
	for _, l := range p.labels {
		shown = append(shown, l.text)
	}
	for _, text := range texts {
		if !slices.Contains(shown, text) {
			t.Errorf("it has no %q", text)
		}
	}
	for _, text := range shown {
		if figure.MatchString(text) && !slices.Contains(texts, text) {
			t.Errorf("nothing says that it should have %q", text)
		}
	}
}

// minutes is a time as a picture shows it.
func minutes(d time.Duration) string { return fmt.Sprintf("%g", d.Minutes()) }

func TestThePictureOfAllPartsHasTheFiguresOfTheCode(t *testing.T) {
	t.Parallel()
	failures, _ := lockOfTheMock(t)
	fifth := ordinals()[failures]
	drawn(t, "docs/pictures/overview.svg").hasTheFigures(t,
		"Apps get a token for "+cardinals()[int(engine.DefaultTokenLifetime.Hours())]+" hours, and Vault keeps the partner secret",
		"stops before the "+fifth+" failed attempt",
		"authenticate: once in "+minutes(token.RefreshAge(engine.DefaultTokenLifetime))+" minutes",
		"Has one secret for each partner. The "+fifth+" failed attempt locks the partner company-wide.",
	)
}

func TestThePictureOfThePackagesHasNoFigures(t *testing.T) {
	t.Parallel()
	drawn(t, "docs/pictures/packages.svg").hasTheFigures(t, "the two calls") // Authenticate, and change the secret.
}

// The bars of the time line begin and end where the engine changes what it does.
func TestThePictureOfATokenHasTheTimesOfTheCode(t *testing.T) {
	t.Parallel()
	const lifetime = engine.DefaultTokenLifetime
	p := drawn(t, "docs/pictures/token.svg")
	x := func(age time.Duration) float64 { return 60 + 5.4*age.Minutes() }
	refresh, served := token.RefreshAge(lifetime), lifetime-token.Margin(lifetime)
	largest := served - token.MaxMinTTL(lifetime)
	for name, bar := range map[string]struct{ from, to time.Duration }{
		"served from memory":     {0, refresh},
		"due for a refresh":      {refresh, served},
		"not served any more":    {served, lifetime},
		"the largest min_ttl":    {0, largest},
		"served with a warning":  {refresh, served},
		"guide at the refresh":   {refresh, refresh},
		"guide at the last read": {served, served},
		"guide at the end":       {lifetime, lifetime},
	} {
		box := slices.ContainsFunc(p.boxes, func(b area) bool { return b.x0 == x(bar.from) && b.x1 == x(bar.to) })
		guide := slices.ContainsFunc(p.lines, func(l line) bool { return l.points[0][0] == x(bar.from) && l.points[1][0] == x(bar.to) })
		if !box && !guide {
			t.Errorf("nothing is drawn from %s to %s: %s", bar.from, bar.to, name)
		}
	}
	waits := backoffs()
	p.hasTheFigures(t,
		fmt.Sprintf("The life of a token on a time line: due for a refresh after %s minutes, served for %s, accepted by Finicity for %s",
			minutes(refresh), minutes(served), minutes(lifetime)),
		fmt.Sprintf("A token is served for %s minutes, and refreshed from minute %s on", minutes(served), minutes(refresh)),
		"0", minutes(refresh)+" min", minutes(served), minutes(lifetime)+" min",
		"min_ttl="+minutes(token.MaxMinTTL(lifetime))+"m",
		"until minute "+minutes(largest)+", then waits for a new one.",
		fmt.Sprintf("From %s on, reads carry a warning. From %s on, they fail.", minutes(refresh), minutes(served)),
		fmt.Sprintf("Retries back off: %gs, %gs, %gs, and so on up to %gs.",
			waits[0].Seconds(), waits[1].Seconds(), waits[2].Seconds(), slices.Max(waits).Seconds()),
	)
}

// backoffs are the waits after the failures of an outage.
func backoffs() (waits []time.Duration) {
	backoff, now := token.Backoff{}, time.Now()
	for range 20 {
		backoff.Note(errors.New("unreachable"), 0, now)
		if held := new(token.HeldError); errors.As(backoff.Held(now), &held) {
			waits, now = append(waits, held.Wait), now.Add(held.Wait)
		}
	}
	return waits
}

var (
	measuredRatios = regexp.MustCompile("(?m)^\\| (.+) \\| at least [\\d.]+ \\| ([\\d.]+), ([\\d.]+), ([\\d.]+) \\| `make bench` \\|$")
	measuredGroup  = regexp.MustCompile(`^(raft|in-memory) storage, connections: (\d+)$`)
)

// The picture and the table have the medians of the same run of make bench.
func TestThePictureOfThePerformanceAgreesWithTheTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	want, subject := map[string]string{}, ""
	for _, row := range measuredRatios.FindAllStringSubmatch(string(text), -1) {
		storage := "raft"
		if strings.Contains(row[1], "in-memory") {
			storage = "in-memory"
		} else {
			subject = strings.Split(row[1], "`")[1]
		}
		for i, connections := range []int{1, 16, 128} {
			want[fmt.Sprintf("%s, %s, %d", subject, storage, connections)] = row[2+i]
		}
	}
	p := drawn(t, "docs/pictures/performance.svg")
	one := p.lines[len(p.lines)-1].points[0][0] // The line at the ratio 1.
	group, ratios := "", 0
	for i, l := range p.labels {
		if found := measuredGroup.FindStringSubmatch(l.text); found != nil {
			group = found[1] + ", " + found[2]
		}
		ratio, err := strconv.ParseFloat(l.text, 64)
		if err != nil {
			continue
		}
		ratios++
		bar, y := p.boxes[ratios], (l.y0+l.y1)/2
		if length := (bar.x1 - bar.x0) / (one - bar.x0); !bar.contains(bar.x0+1, y) || math.Abs(length-ratio) > 0.006 {
			t.Errorf("%s: the bar of %q shows %.2f, and its text is %s", group, p.labels[i-1].text, length, l.text)
		}
		name := p.labels[i-1].text + ", " + group
		if measured, found := want[name]; found && measured != l.text {
			t.Errorf("%s: the picture has %s, and the table has %s", name, l.text, measured)
		}
		delete(want, name)
	}
	if ratios != 24 || len(want) > 0 {
		t.Errorf("the picture has %d ratios, and not %v", ratios, want)
	}
	rounds := regexp.MustCompile(`median of (\d+) rounds`).FindStringSubmatch(p.labels[2].text)
	if rounds == nil {
		t.Fatalf("it has %q", p.labels[2].text)
	}
	if n, _ := strconv.Atoi(rounds[1]); !strings.Contains(string(text), "medians of "+cardinals()[n]+" rounds") {
		t.Errorf("it has the medians of %d rounds, and the table has others", n)
	}
}
