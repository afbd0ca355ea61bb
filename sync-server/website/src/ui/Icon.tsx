// The pictures of the site: strokes on a grid of 20, drawn with the colour of the text. They say nothing by themselves,
// so words stand beside them or a label is on what holds them.

const paths = {
  alert:
    "M10 6.5v4.2M10 13.6v.1M8.6 3.4 2.3 14.2A1.6 1.6 0 0 0 3.7 16.6h12.6a1.6 1.6 0 0 0 1.4-2.4L11.4" +
    " 3.4a1.6 1.6 0 0 0-2.8 0Z",
  arrow: "M4 10h12M11 5l5 5-5 5",
  back: "M16 10H4M9 5l-5 5 5 5",
  book:
    "M3.5 4.5h4.2A2.3 2.3 0 0 1 10 6.8v9.4a1.8 1.8 0 0 0-1.8-1.7H3.5Z" +
    "M16.5 4.5h-4.2A2.3 2.3 0 0 0 10 6.8v9.4a1.8 1.8 0 0 1 1.8-1.7h4.7Z",
  braces:
    "M7.5 3.5c-2 0-2.2 1-2.2 2.4 0 2-.3 3.4-1.8 4.1 1.5.7 1.8 2.1 1.8 4.1 0 1.4.2 2.4 2.2 2.4" +
    "M12.5 3.5c2 0 2.2 1 2.2 2.4 0 2 .3 3.4 1.8 4.1-1.5.7-1.8 2.1-1.8 4.1 0 1.4-.2 2.4-2.2 2.4",
  check: "m4 10.5 4 4 8-9",
  clock: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM10 6v4l2.6 1.6",
  close: "m5 5 10 10M15 5 5 15",
  copy: "M7.5 7.5h8v9h-8zM12.5 7.5v-4h-8v9h3",
  device: "M3 4.5h14v9H3zM7 16.5h6M10 13.5v3",
  down: "m5 8 5 5 5-5",
  gauge: "M3.5 14.5a7 7 0 1 1 13 0M10 12l3-4",
  grid: "M3.5 3.5h5v5h-5zM11.5 3.5h5v5h-5zM3.5 11.5h5v5h-5zM11.5 11.5h5v5h-5z",
  keys: "M2.5 5.5h15v9h-15zM5.5 8.5h.1M8.5 8.5h.1M11.5 8.5h.1M14.5 8.5h.1M6.5 11.7h7",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
  moon: "M16 11.8A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.8Z",
  note: "M4.5 3.5h11v13h-11zM7.5 7.5h5M7.5 10.5h5M7.5 13.5h3",
  pencil: "M4 16l.8-3.4 8.4-8.4 2.6 2.6-8.4 8.4ZM11.6 5.8l2.6 2.6",
  person: "M10 10a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4ZM4 16.5c.6-3 3-4.3 6-4.3s5.4 1.3 6 4.3",
  plus: "M10 4.5v11M4.5 10h11",
  reset: "M4 4v4h4M4.5 8a6.5 6.5 0 1 1-.8 4",
  search: "M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM13 13l4 4",
  shield: "M10 2.8 4 5v4.6c0 3.6 2.4 6.3 6 7.6 3.6-1.3 6-4 6-7.6V5Z",
  sliders: "M3 6h7M14 6h3M3 14h3M10 14h7M12 4v4M8 12v4",
  split: "M5 3.5v3.7L10 12v5M15 3.5v3.7L10 12",
  sun:
    "M10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18" +
    "M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M15.7 4.3l-1.1 1.1M5.4 14.6l-1.1 1.1",
  up: "m5 12 5-5 5 5",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" fill="none" aria-hidden="true" focusable="false">
      <path d={paths[name]} stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
