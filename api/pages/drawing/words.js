// Texts with values in them, and times as the city's clocks show them.

// a text with %(name)s in it
export function fill(text, values) {
  return text.replace(/%\((\w+)\)[sd]/g, (_, name) => values[name]);
}

const CLOCK = { timeZone: "Asia/Makassar", hour12: false, hour: "2-digit", minute: "2-digit", second: "2-digit" };

// the server's times are UTC
export function clock(time) {
  return time ? new Intl.DateTimeFormat("en-GB", CLOCK).format(new Date(time)) : "";
}

export function day(time) {
  return time ? new Intl.DateTimeFormat("sv-SE", { ...CLOCK, year: "numeric", month: "2-digit", day: "2-digit" }).format(new Date(time)) : "";
}
