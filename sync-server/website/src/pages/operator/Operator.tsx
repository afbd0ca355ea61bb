export default function Operator() { return null; }
